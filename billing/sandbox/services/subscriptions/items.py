"""What a subscription leaves for an invoice to come: prorations, and what was added by hand."""

from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import events, invoices

Data = dict[str, Any]


def leave_prorations(subscription: Data, lines: list[Data], *, now: datetime) -> None:
    """This will note prorations as items that wait for the next invoice."""
    for line in lines:
        parent = line["parent"]["subscription_item_details"]
        item = invoice_objects.new_invoice_item(
            customer=subscription["customer"],
            amount=line["amount"],
            currency=line["currency"],
            description=line["description"],
            price=line["price"],
            quantity=line["quantity"],
            period_start=line["period_start"],
            period_end=line["period_end"],
            subscription=subscription["id"],
            subscription_item=parent["subscription_item"],
            proration=True,
            now=store.timestamp(now),
        )
        store.add(item)
        events.emit("invoiceitem.created", item, now=now)


def invoice_pending(subscription: Data, *, now: datetime) -> None:
    """This will invoice at once what waits for the subscription's next invoice, and try to collect it."""
    pending = list_pending(subscription)
    if not pending:
        return
    seconds = store.timestamp(now)
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="manual",
        lines=[invoices.line_of_item(item) for item in pending],
        subscription=subscription,
        period=(seconds, seconds),
        now=now,
    )
    for item in pending:
        store.save(item | {"invoice": draft["id"]})
    store.save(store.get("subscription", subscription["id"]) | {"latest_invoice": draft["id"]})
    invoice = invoices.finalize_invoice(draft["id"], now=now)
    if invoice["status"] == "open" and invoices.find_payment_method(invoice):
        invoices.pay_invoice(invoice["id"], now=now)


def drop_prorations(subscription: Data, *, now: datetime) -> None:
    """This will take back the subscription's prorations that no invoice has yet."""
    for item in list_pending(subscription):
        if item["proration"]:
            invoices.delete_item(item["id"], now=now)


def list_pending(subscription: Data) -> list[Data]:
    """This will return what waits for the customer's next invoice and is not another subscription's, newest first,
    as Stripe lists it on that invoice."""
    waiting = store.find("invoiceitem", customer=subscription["customer"], invoice="")
    return [item for item in waiting if _subscription_of(item) in (None, subscription["id"])]


def _subscription_of(item: Data) -> str | None:
    named: str | None = ((item["parent"] or {}).get("subscription_details") or {}).get("subscription")
    return named
