"""Money for what nobody gets: an invoice that is void by the time when its payment succeeds, a second subscription."""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing import gateway, stripe_data
from billing.models import Subscription
from billing.services import letters
from smartspec.logs import get_logger

log = get_logger(__name__)

PROCESSING = "processing"  # with a bank, which answers within days; nobody can take such a payment back


def open_payment_status(invoice: dict[str, Any]) -> str:
    """Return where the payment of an open invoice stands, by Stripe's name; empty when there is none to be made."""
    intent_id = stripe_data.invoice_open_payment_intent_id(invoice)
    return str(gateway.retrieve_payment_intent(intent_id)["status"]) if intent_id else ""


def give_back_void(*, payment_intent_id: str, now: datetime) -> int:
    """This will refund a payment in full that succeeded when its invoice was void already, and return how many cents
    that were; 0 when it is none, or has gone back.

    Stripe voids what waited too long, and staff what they think is not paid, while a bank still takes the money.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    subscription = find_void(payment_intent_id)
    if subscription is None or gateway.retrieve_payment_intent(payment_intent_id)["status"] != "succeeded":
        return 0
    refund = refund_in_full(payment_intent_id)
    if refund is None:
        return 0
    log.warning(
        "Payment of a void invoice refunded", user_id=str(subscription.user_id), subscription_id=subscription.pk,
        payment_intent_id=payment_intent_id, refunded_cents=refund["amount"],
    )  # fmt: skip
    with transaction.atomic():
        letters.tell_given_back(subscription, refund, now=now)
    return int(refund["amount"])


def find_void(payment_intent_id: str) -> Subscription | None:
    """Return the subscription of ours whose void invoice a payment was for."""
    for payment in gateway.list_payments_of_intent(payment_intent_id):
        invoice = gateway.retrieve_invoice(stripe_data.payment_invoice_id(payment))
        if invoice["status"] == "void":
            subscription_id = stripe_data.invoice_subscription_id(invoice)
            return Subscription.objects.filter(pk=subscription_id).select_related("user").first()
    return None


def refund_in_full(payment_intent_id: str, **values: str) -> dict[str, Any] | None:
    """Return the refund that is made now; None when all of it was refunded before."""
    try:
        return gateway.create_refund(
            values={"payment_intent": payment_intent_id, **values}, idempotency_key=f"unowed:{payment_intent_id}"
        )
    except gateway.StripeRefused as error:
        if error.context.get("stripe_code") == "charge_already_refunded":
            return None
        raise


def give_back_balance(invoice: dict[str, Any]) -> int:
    """This will give back what a paid invoice used of the customer's credit balance, once, and return how many cents
    that is, whether now or before: we may have been cut off before anybody was told.
    """
    used_cents = balance_used_cents(invoice)
    if used_cents and not balance_is_back(invoice):
        gateway.create_balance_transaction(
            stripe_data.object_id(invoice["customer"]),
            values={
                "amount": -used_cents,
                "currency": invoice["currency"],
                "metadata": {stripe_data.GIVEN_BACK_FOR: invoice["id"]},
            },
            idempotency_key=f"unowed:{invoice['id']}",
        )
    return used_cents


def balance_used_cents(invoice: dict[str, Any]) -> int:
    """Return the cents that a paid invoice used of the credit balance; 0 if that was deleted with its customer."""
    used_cents = stripe_data.invoice_balance_used_cents(invoice)
    is_lost = used_cents and gateway.retrieve_customer(stripe_data.object_id(invoice["customer"])).get("deleted")
    return 0 if is_lost else used_cents


def balance_is_back(invoice: dict[str, Any]) -> bool:
    """Tell whether what an invoice used of the credit balance was given back."""
    # Stripe remembers an idempotency key for a day, and its own lines for ever.
    lines = gateway.list_balance_transactions(stripe_data.object_id(invoice["customer"]))
    return any(stripe_data.metadata(line).get(stripe_data.GIVEN_BACK_FOR) == invoice["id"] for line in lines)
