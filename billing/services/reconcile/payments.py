"""What a payment gave, whose it was, and what of it went back."""

from collections.abc import Callable, Iterator
from typing import Any

from billing import gateway, stripe_data
from billing.models import PaidInvoice, Purchase
from billing.services.gifts import list_gifts
from billing.services.reconcile.comparing import Window
from billing.services.settlement import find_by_id
from credits import selectors as credits_selectors


def missing_gifts(payment: Purchase | PaidInvoice) -> int:
    """Count the grants that a payment should have given and the ledger does not have."""
    user_id = payment.user_id if isinstance(payment, Purchase) else payment.subscription.user_id
    return sum(
        not credits_selectors.granted(account_id=user_id, kind=gift.kind, source=gift.source)
        for gift in list_gifts(payment)
    )


def is_back(payment_intent_id: str, paid_cents: int) -> bool:
    """Whether all that was paid went back: it was refunded, or lost to the bank."""
    refunds = gateway.list_refunds({"payment_intent": payment_intent_id})
    disputes = gateway.list_disputes({"payment_intent": payment_intent_id})
    back = sum(refund["amount"] for refund in refunds if refund["status"] not in stripe_data.VOID_REFUND_STATUSES)
    back += sum(dispute["amount"] for dispute in disputes if dispute["status"] == stripe_data.LOST_DISPUTE_STATUS)
    return bool(back >= paid_cents)


def list_by_payment(
    window: Window, list_all: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the window's refunds or disputes; those of one user by their payments, as Stripe knows no other way."""
    if not window.user_id:
        yield from list_all(window.created())
    for customer_id in window.customer_ids:
        for intent in gateway.list_payment_intents({"customer": customer_id}):
            yield from list_all({"payment_intent": intent["id"]})


def find_payer(fetched: dict[str, Any]) -> str:
    """Return whose payment a refund or dispute is of; empty when it gave nothing here. Writes nothing."""
    payment_intent_id = stripe_data.payment_intent_id(fetched)
    if not payment_intent_id:
        return ""
    purchase = Purchase.objects.filter(payment_intent_id=payment_intent_id).first()
    if purchase is None:
        intent = gateway.retrieve_payment_intent(payment_intent_id)
        purchase = find_by_id(Purchase, stripe_data.metadata(intent).get(stripe_data.PURCHASE_ID, ""))
    if purchase is not None:
        return str(purchase.user_id)
    invoice_ids = [stripe_data.payment_invoice_id(paid) for paid in gateway.list_payments_of_intent(payment_intent_id)]
    invoice = PaidInvoice.objects.filter(pk__in=invoice_ids).select_related("subscription").first()
    return "" if invoice is None else str(invoice.subscription.user_id)
