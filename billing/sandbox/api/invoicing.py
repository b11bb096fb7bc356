from billing.sandbox import store
from billing.sandbox.api import listing
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.services import invoices, payments, subscriptions


def _pay(call: Call) -> Data:
    if call.params.get("paid_out_of_band"):
        invoice = store.get("invoice", call.id, param="invoice")
        if invoice["status"] == "draft":
            invoices.finalize_invoice(call.id, now=call.now)
        return invoices.mark_paid(call.id, amount=0, out_of_band=True, now=call.now)
    invoice = store.get("invoice", call.id, param="invoice")
    if invoice["status"] == "draft":
        invoice = invoices.finalize_invoice(call.id, now=call.now)
        if invoice["status"] == "paid":
            return invoice
    intent = invoices.pay_invoice(
        call.id,
        payment_method_id=call.params.get("payment_method"),
        off_session=bool(call.params.get("off_session", True)),
        now=call.now,
    )
    payments.raise_if_refused(intent)
    return store.get("invoice", call.id)


def _finalize(call: Call) -> Data:
    if "auto_advance" in call.params:
        invoices.update_invoice(call.id, {"auto_advance": call.params["auto_advance"]}, now=call.now)
    invoice = invoices.finalize_invoice(call.id, now=call.now)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        invoices.open_payment(call.id, description=invoices.describe(invoice), now=call.now)
    return store.get("invoice", call.id)


def _list_lines(call: Call) -> Data:
    invoice = store.get("invoice", call.id, param="invoice")
    return listing.list_data(invoice["lines"]["data"], call.params, url=f"/v1/invoices/{call.id}/lines")


def _list_payments(call: Call) -> Data:
    params = dict(call.params)
    wanted = params.pop("payment", None)
    rows = store.rows("invoice_payment")
    if wanted and wanted.get("payment_intent"):
        rows = rows.filter(payment_intent=wanted["payment_intent"])
    elif wanted:
        rows = rows.filter(data__payment__type=wanted["type"])
    return listing.list_rows(rows, params, url="/v1/invoice_payments")


def _list_items(call: Call) -> Data:
    params = dict(call.params)
    rows = store.rows("invoiceitem")
    if "pending" in params:
        pending = params.pop("pending")
        rows = rows.filter(invoice="") if pending else rows.exclude(invoice="")
    return listing.list_rows(rows, params, url="/v1/invoiceitems")


INVOICE_ROUTES = [
    Route("GET", "/v1/invoices", list_of("invoice", "/v1/invoices"), "InvoiceListParams"),
    Route(
        "POST", "/v1/invoices", lambda call: invoices.create_invoice(call.params, now=call.now), "InvoiceCreateParams"
    ),
    Route(
        "POST",
        "/v1/invoices/create_preview",
        lambda call: subscriptions.preview_invoice(call.params, now=call.now),
        "InvoiceCreatePreviewParams",
    ),
    Route("GET", "/v1/invoices/{id}", get("invoice", "invoice")),
    Route(
        "POST",
        "/v1/invoices/{id}",
        lambda call: invoices.update_invoice(call.id, call.params, now=call.now),
        "InvoiceModifyParams",
    ),
    Route("DELETE", "/v1/invoices/{id}", lambda call: invoices.delete_invoice(call.id, now=call.now)),
    Route("GET", "/v1/invoices/{id}/lines", _list_lines, "InvoiceListLinesParams"),
    Route("POST", "/v1/invoices/{id}/finalize", _finalize, "InvoiceFinalizeInvoiceParams"),
    Route("POST", "/v1/invoices/{id}/pay", _pay, "InvoicePayParams"),
    Route("POST", "/v1/invoices/{id}/void", lambda call: invoices.void_invoice(call.id, now=call.now)),
    Route(
        "POST",
        "/v1/invoices/{id}/mark_uncollectible",
        lambda call: invoices.mark_uncollectible(call.id, now=call.now),
    ),
    Route("GET", "/v1/invoice_payments", _list_payments, "InvoicePaymentListParams"),
    Route("GET", "/v1/invoice_payments/{id}", get("invoice_payment", "invoice_payment")),
    Route("GET", "/v1/invoiceitems", _list_items, "InvoiceItemListParams"),
    Route(
        "POST",
        "/v1/invoiceitems",
        lambda call: invoices.create_item(call.params, now=call.now),
        "InvoiceItemCreateParams",
    ),
    Route("GET", "/v1/invoiceitems/{id}", get("invoiceitem", "invoiceitem")),
    Route("DELETE", "/v1/invoiceitems/{id}", lambda call: invoices.delete_item(call.id, now=call.now)),
]
