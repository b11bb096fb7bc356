"""The hosted page of an invoice, its PDF, and receipts."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from billing.sandbox import presentation, store
from billing.sandbox.errors import ResourceMissing, StripeError
from billing.sandbox.pages import invoice_pdf, responses, sample_cards, timing
from billing.sandbox.pages.forms import CardForm
from billing.sandbox.services import hosted_invoices

Data = dict[str, Any]
TAGS = {
    "open": ("Open", "warm"),
    "paid": ("Paid", "good"),
    "uncollectible": ("Uncollectible", "bad"),
    "void": ("Void", ""),
}


@dataclass(frozen=True)
class Row:
    """An invoice in a list; `total` in the currency's smallest unit."""

    date: str
    total: int
    currency: str
    subject: str
    tag: str
    tag_kind: str
    url: str
    pdf: str


@dataclass(frozen=True)
class Sum:
    name: str
    amount: int
    is_total: bool = False


def build_row(invoice: Data) -> Row:
    """This will build the line of an invoice in the portal's list."""
    tag, tag_kind = TAGS[invoice["status"]]
    lines = invoice["lines"]["data"]
    return Row(
        date=presentation.format_day(invoice["effective_at"] or invoice["created"]),
        total=invoice["total"],
        currency=invoice["currency"],
        subject=lines[-1]["description"] if lines else "",
        tag=tag,
        tag_kind=tag_kind,
        url=reverse("sandbox_invoice", args=[invoice["id"]]),
        pdf=reverse("sandbox_invoice_pdf", args=[invoice["id"]]),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """The page behind `hosted_invoice_url`: what was billed and, while it is open, a card to pay it with."""
    try:
        invoice = hosted_invoices.get_hosted_invoice(invoice_id)
    except ResourceMissing:
        return _show_unknown(request)
    form = CardForm(refusal=_latest_refusal(invoice))
    if request.method == "POST":
        form = CardForm.read(request.POST)
        if form.is_valid(now=timing.now_of(invoice_id), asks_email=False) and (answer := _pay(invoice_id, form)):
            return answer
        invoice = hosted_invoices.get_hosted_invoice(invoice_id)
    intent = hosted_invoices.find_intent(invoice_id)
    is_open = invoice["status"] in ("open", "uncollectible")
    waits = is_open and intent is not None and intent["status"] == "requires_action"
    charge = store.find_any(intent["latest_charge"]) if intent and intent["latest_charge"] else None
    tag, tag_kind = TAGS[invoice["status"]]
    context = {
        "invoice": invoice,
        "tag": tag,
        "tag_kind": tag_kind,
        "date": presentation.format_day(invoice["effective_at"] or invoice["created"]),
        "paid_date": _paid_date(invoice),
        "paid_with": _paid_with(intent) if invoice["status"] == "paid" else "",
        "lines": [line | {"period": _period(line)} for line in invoice["lines"]["data"]],
        "sums": build_sums(invoice),
        "pdf_url": reverse("sandbox_invoice_pdf", args=[invoice_id]),
        "receipt_url": reverse("sandbox_receipt", args=[charge["id"]]) if charge and charge["paid"] else "",
        "authentication_url": reverse("sandbox_authenticate", args=[intent["id"]]) if waits and intent else "",
        "is_payable": is_open and not (intent and intent["status"] == "processing"),
        "form": form,
        "card_hints": sample_cards.list_hints(),
    }
    return responses.show(request, "invoice.html", context)


@require_safe
def pdf(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """The document behind `invoice_pdf`."""
    try:
        invoice = hosted_invoices.get_hosted_invoice(invoice_id)
    except ResourceMissing:
        return _show_unknown(request)
    lines = [
        (
            f"{line['quantity']} × {line['description']}" if line["quantity"] not in (None, 1) else line["description"],
            presentation.format_money(line["amount"], invoice["currency"]),
        )
        for line in invoice["lines"]["data"]
    ]
    facts = [
        ("Invoice number", invoice["number"] or invoice["id"]),
        ("Date", presentation.format_day(invoice["effective_at"] or invoice["created"])),
        ("Status", TAGS[invoice["status"]][0]),
        ("Bill to", ", ".join(filter(None, (invoice["customer_name"], invoice["customer_email"])))),
    ]
    if paid_date := _paid_date(invoice):
        facts.insert(2, ("Date paid", paid_date))
    sums = [(each.name, presentation.format_money(each.amount, invoice["currency"])) for each in build_sums(invoice)]
    document = invoice_pdf.write_invoice(
        merchant=presentation.find_merchant_name(), facts=facts, lines=lines, sums=sums
    )
    response = HttpResponse(document, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="Invoice-{invoice["number"] or invoice["id"]}.pdf"'
    return response


@require_safe
def receipt(request: HttpRequest, charge_id: str) -> HttpResponse:
    """The page behind a charge's `receipt_url`."""
    try:
        charge = store.get("charge", charge_id)
    except ResourceMissing:
        return responses.show_message(request, "There is no such receipt", status=404)
    method = store.find_any(charge["payment_method"] or "")
    paid_with = presentation.describe_method(method) if method else ""
    return responses.show(request, "receipt.html", {"charge": charge, "paid_with": paid_with})


def build_sums(invoice: Data) -> list[Sum]:
    """This will add an invoice up for a reader."""
    sums = [Sum("Subtotal", invoice["subtotal"])]
    discount = sum(part["amount"] for part in invoice["total_discount_amounts"])
    if discount:
        sums.append(Sum("Discount", -discount))
    sums.append(Sum("Total", invoice["total"]))
    if covered := invoice["total"] - invoice["amount_due"]:
        sums.append(Sum("Applied balance", -covered))
    if invoice["amount_paid"]:
        sums.append(Sum("Amount paid", invoice["amount_paid"]))
    sums.append(Sum("Amount due", invoice["amount_remaining"], is_total=True))
    return sums


def _pay(invoice_id: str, form: CardForm) -> HttpResponse | None:
    """Try to pay and say where to go, or note on the form why not."""
    try:
        intent = hosted_invoices.pay_by_card(invoice_id, card=form.fields, now=timing.now_of(invoice_id))
    except StripeError as error:
        if hosted_invoices.get_hosted_invoice(invoice_id)["status"] == "paid":
            return HttpResponseRedirect(reverse("sandbox_invoice", args=[invoice_id]))
        form.note(message=error.message, param=error.param or "")
        return None
    if intent["status"] == "requires_action":
        return HttpResponseRedirect(reverse("sandbox_authenticate", args=[intent["id"]]))
    if intent["status"] == "requires_payment_method":
        form.refusal = intent["last_payment_error"]["message"]
        return None
    return HttpResponseRedirect(reverse("sandbox_invoice", args=[invoice_id]))


def _latest_refusal(invoice: Data) -> str:
    intent = hosted_invoices.find_intent(invoice["id"])
    if invoice["status"] != "open" or intent is None or not intent["last_payment_error"]:
        return ""
    return str(intent["last_payment_error"]["message"]) if intent["status"] == "requires_payment_method" else ""


def _paid_date(invoice: Data) -> str:
    paid_at = invoice["status_transitions"]["paid_at"]
    return presentation.format_day(paid_at) if paid_at else ""


def _paid_with(intent: Data | None) -> str:
    method = store.find_any(intent["payment_method"] or "") if intent else None
    return presentation.describe_method(method) if method else ""


def _period(line: Data) -> str:
    start, end = line["period"]["start"], line["period"]["end"]
    return "" if start == end else f"{presentation.format_day(start)} – {presentation.format_day(end)}"


def _show_unknown(request: HttpRequest) -> HttpResponse:
    return responses.show_message(request, "There is no such invoice", "The link is incomplete or wrong.", status=404)
