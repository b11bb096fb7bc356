"""What a customer does on the hosted page of an invoice."""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import cards, store
from billing.sandbox.errors import ResourceMissing
from billing.sandbox.services import invoices, payment_methods
from billing.sandbox.services.checkout import CardFields

Data = dict[str, Any]


def get_hosted_invoice(invoice_id: str) -> Data:
    """This will return an invoice that has a page: any but a draft.

    :raises ResourceMissing: for any other.
    """
    invoice = store.get("invoice", invoice_id)
    if invoice["status"] == "draft":
        raise ResourceMissing("invoice", invoice_id)
    return invoice


def find_intent(invoice_id: str) -> Data | None:
    """This will return the payment intent that paid an invoice or waits to."""
    payment = invoices.find_default_payment(invoice_id)
    return store.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None


@transaction.atomic
def pay_by_card(invoice_id: str, *, card: CardFields, now: datetime) -> Data:
    """This will try to pay an open invoice with a card and return the payment intent as it then is.

    :raises CardDeclined: for a card that cannot be; `param` names the wrong field.
    :raises UnexpectedState: when the invoice is not open.
    """
    exp_month, exp_year = cards.parse_expiry(card.expiry)
    payment_method = payment_methods.create_card(
        number=card.number,
        exp_month=exp_month,
        exp_year=exp_year,
        cvc=card.cvc,
        details={"name": card.name, "email": card.email},
        now=now,
    )
    return invoices.pay_invoice(invoice_id, payment_method_id=payment_method["id"], off_session=False, now=now)
