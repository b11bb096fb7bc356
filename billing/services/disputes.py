"""Disputes: what the customer's bank says, what it does to credits, and the freeze."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import gateway, selectors, stripe_data
from billing.models import Dispute, PaidInvoice, Purchase
from billing.services import letters
from billing.services.gifts import Payment, lock_payment
from billing.services.money_back import settle_money_back
from billing.services.settlement import find_payment
from credits import services as credits_services
from smartspec.logs import get_logger

log = get_logger(__name__)


def settle_dispute(*, dispute_id: str, now: datetime) -> Dispute | None:
    """This will look at what a dispute is now and take or give back its share of the credits, and freeze or thaw the
    account, any number of times.

    An inquiry is only noted, for staff. A lost dispute is final; its freeze stays until staff lift it. Returns None
    when the payment is of nobody of ours.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    return write_dispute(gateway.retrieve_dispute(dispute_id), now)


def write_dispute(fetched: dict[str, Any], now: datetime) -> Dispute | None:
    payment_intent_id = stripe_data.payment_intent_id(fetched)
    payment = find_payment(payment_intent_id=payment_intent_id, now=now) if payment_intent_id else None
    user_id = find_user_id(payment, fetched)
    if user_id is None:
        log.warning("Dispute of a payment of nobody of ours", dispute_id=fetched["id"])
        return None
    with transaction.atomic():
        if payment is not None:
            lock_payment(payment)
        known = Dispute.objects.select_for_update().filter(pk=fetched["id"]).first()
        dispute = known or Dispute(id=fetched["id"], user_id=user_id)
        is_news = known is None or known.status != fetched["status"]
        if dispute.status not in stripe_data.FINAL_DISPUTE_STATUSES:  # a state fetched earlier cannot undo these
            dispute.status = fetched["status"]
        dispute.is_reinstated = dispute.is_reinstated or stripe_data.dispute_is_reinstated(fetched)
        dispute.purchase = payment if isinstance(payment, Purchase) else None
        dispute.invoice = payment if isinstance(payment, PaidInvoice) else None
        dispute.payment_intent_id = payment_intent_id
        dispute.amount_cents, dispute.currency = fetched["amount"], fetched["currency"]
        dispute.reason = fetched["reason"] or ""
        dispute.evidence_due_at = stripe_data.dispute_evidence_due_at(fetched)
        dispute.created_at = stripe_data.required_moment(fetched["created"])
        dispute.save()
        if payment is not None:
            settle_money_back(payment=payment, now=now)
        freeze_or_thaw(dispute, now)
        letters.tell_dispute(dispute, now=now)
    if is_news:
        is_inquiry = dispute.status in stripe_data.INQUIRY_STATUSES
        log.warning(
            "Inquiry about a payment" if is_inquiry else "Payment disputed", user_id=str(user_id),
            dispute_id=dispute.pk, status=dispute.status, reason=dispute.reason, amount_cents=dispute.amount_cents,
        )  # fmt: skip
    return dispute


def find_user_id(payment: Payment | None, fetched: dict[str, Any]) -> UUID | None:
    """Return whose payment it was; one that gave nothing (a second subscription's) is found by its customer."""
    if isinstance(payment, Purchase):
        return payment.user_id
    if payment is not None:
        return payment.subscription.user_id
    charge = gateway.retrieve_charge(stripe_data.charge_id(fetched))
    return selectors.owner_of_customer(stripe_data.object_id(charge.get("customer")))


def freeze_or_thaw(dispute: Dispute, now: datetime) -> None:
    """Freeze once, so that what staff have lifted stays lifted; thaw once, when the money is back."""
    cause = f"dispute:{dispute.pk}"
    is_over = dispute.status == "won" or dispute.is_reinstated
    # A prevented dispute was settled by a refund before it began: the credits go, and nobody is frozen.
    is_open = dispute.status not in stripe_data.INQUIRY_STATUSES | {"prevented"} and not is_over
    if is_open and dispute.frozen_at is None:
        credits_services.freeze(account_id=dispute.user_id, cause=cause, now=now)
        dispute.frozen_at = now
    elif is_over and dispute.frozen_at is not None and dispute.thawed_at is None:
        credits_services.thaw(account_id=dispute.user_id, cause=cause, now=now)
        dispute.thawed_at = now
    else:
        return
    dispute.save(update_fields=["frozen_at", "thawed_at"])
