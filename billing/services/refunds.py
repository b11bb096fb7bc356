"""Refunds: what Stripe says became of them, and those that our staff send."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing import gateway, stripe_data
from billing.models import CheckoutState, PaidInvoice, Purchase, Refund
from billing.services import letters
from billing.services.gifts import Payment, lock_payment, payer_id
from billing.services.keys import IdempotencyConflict
from billing.services.money_back import settle_money_back
from billing.services.settlement import find_payment
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

KEYS_LAST_FOR = timedelta(hours=23)  # Stripe forgets an idempotency key after a day, and would make a second refund


class NotRefundable(DomainError):
    """Nothing was paid, or nothing is left to refund, or less than was asked for."""

    code = "not_refundable"
    status = 409
    title = "Not refundable"


def settle_refund(*, refund_id: str, now: datetime) -> Refund | None:
    """This will look at what a refund is now and take, or give back, its share of the credits, any number of times.

    Returns None when it is of no payment that gave credits.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    return write_refund(gateway.retrieve_refund(refund_id), now)


def settle_refunds_of_charge(*, charge_id: str, now: datetime) -> list[Refund]:
    """This will settle every refund of a charge, and return those that are of payments of ours.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    written = [write_refund(fetched, now) for fetched in gateway.list_refunds({"charge": charge_id})]
    return [refund for refund in written if refund is not None]


def write_refund(fetched: dict[str, Any], now: datetime) -> Refund | None:
    payment_intent_id = stripe_data.payment_intent_id(fetched)
    payment = find_payment(payment_intent_id=payment_intent_id, now=now) if payment_intent_id else None
    if payment is None:
        log.info("Refund of a payment that gave nothing", refund_id=fetched["id"])
        return None
    with transaction.atomic():
        lock_payment(payment)
        refund = find_row(fetched, payment)
        if refund.status not in stripe_data.VOID_REFUND_STATUSES:  # final: a state fetched earlier cannot undo it
            refund.status = fetched["status"]
        refund.refund_id = fetched["id"]
        refund.amount_cents = fetched["amount"]
        refund.currency = fetched["currency"]
        refund.payment_intent_id = payment_intent_id
        refund.created_at = stripe_data.required_moment(fetched["created"])
        refund.save()
        settle_money_back(payment=payment, now=now)
        letters.tell_refund(refund, now=now)
    return refund


def find_row(fetched: dict[str, Any], payment: Payment) -> Refund:
    """Return the row of a refund: known, written down before it was sent, or new."""
    known = Refund.objects.filter(refund_id=fetched["id"]).first()
    if known is not None:
        return known
    requested = find_requested(stripe_data.metadata(fetched).get(stripe_data.REFUND_REQUEST_ID, ""), payment)
    if requested is not None:
        return requested
    if isinstance(payment, Purchase):
        return Refund(user_id=payment.user_id, purchase=payment)
    return Refund(user_id=payer_id(payment), invoice=payment)


def find_requested(row_id: str, payment: Payment) -> Refund | None:
    try:
        return payment.refunds.filter(pk=UUID(row_id), refund_id__isnull=True).first()
    except ValueError:
        return None


# --- By our staff -------------------------------------------------------------------------------------------------


def find_intent(payment: Payment) -> str:
    """This will return the payment intent that paid, asking Stripe for an invoice's.

    :raises NotRefundable: nothing of it was paid by card or bank, or by more than one payment.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    if isinstance(payment, Purchase):
        return payment.payment_intent_id
    intents = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(payment.pk))
    if len(intents) != 1:
        raise NotRefundable("It was not paid by one card or bank payment: see to it in Stripe's dashboard.")
    return intents[0]


def request_refund(
    *,
    payment: Payment,
    payment_intent_id: str,
    amount_cents: int | None,
    keep_credits: bool,
    reason: str,
    actor: str,
    now: datetime,
    idempotency_key: str | None,
) -> tuple[Refund, bool]:
    """This will write down a refund that is to be sent, and tell whether it is new: the same key is the same refund.

    :raises IdempotencyConflict: the key was used for another refund.
    :raises NotRefundable: not paid, or less is left than was asked for.
    """
    with transaction.atomic():
        locked = lock_payment(payment)
        known = locked.refunds.filter(idempotency_key=idempotency_key).first() if idempotency_key else None
        if known is not None:
            asked_cents = left_to_refund_cents(locked, without=known) if amount_cents is None else amount_cents
            if (asked_cents, keep_credits, reason) != (known.amount_cents, known.keep_credits, known.reason):
                raise IdempotencyConflict("This key was used for another refund. Open the page anew.")
            return known, False
        refund = Refund.objects.create(
            user_id=payer_id(locked),
            purchase=locked if isinstance(locked, Purchase) else None,
            invoice=locked if isinstance(locked, PaidInvoice) else None,
            payment_intent_id=payment_intent_id,
            amount_cents=checked_amount(locked, amount_cents),
            currency=locked.currency,
            keep_credits=keep_credits,
            reason=reason,
            actor=actor,
            idempotency_key=idempotency_key,
            created_at=now,
        )
    return refund, True


def send_refund(*, refund: Refund, now: datetime) -> Refund:
    """This will send a refund that is written down, if it was not sent. However often it is called, Stripe makes one.

    :raises NotRefundable: Stripe does not do it.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    if refund.refund_id or refund.status == Refund.Status.REFUSED:
        return refund
    if now - refund.created_at > KEYS_LAST_FOR and (made := find_made(refund)):
        return write_refund(made, now) or refund
    try:
        sent = gateway.create_refund(
            values={
                "payment_intent": refund.payment_intent_id,
                "amount": refund.amount_cents,
                "reason": "requested_by_customer",
                "metadata": {stripe_data.REFUND_REQUEST_ID: str(refund.pk)},
            },
            idempotency_key=f"refund:{refund.pk}",
        )
    except gateway.StripeRefused as error:
        Refund.objects.filter(pk=refund.pk, refund_id__isnull=True).update(status=Refund.Status.REFUSED)
        raise NotRefundable("Stripe did not make this refund: it may have been refunded already.") from error
    return write_refund(sent, now) or refund


def find_made(refund: Refund) -> dict[str, Any] | None:
    """Return the refund that Stripe made of a request, if it did and we have not heard."""
    made = gateway.list_refunds({"payment_intent": refund.payment_intent_id})
    asked_for = str(refund.pk)
    return next(
        (one for one in made if stripe_data.metadata(one).get(stripe_data.REFUND_REQUEST_ID) == asked_for), None
    )


def checked_amount(payment: Payment, amount_cents: int | None) -> int:
    """Return what to refund; the caller holds the payment's lock.

    :raises NotRefundable: not paid, or less is left than was asked for.
    """
    if isinstance(payment, Purchase):
        is_paid = payment.state in (CheckoutState.FULFILLED, CheckoutState.NEEDS_REVIEW)
        if not is_paid or not payment.payment_intent_id:
            raise NotRefundable("Nothing has been paid for this purchase.")
    left_cents = left_to_refund_cents(payment)
    asked_cents = left_cents if amount_cents is None else amount_cents
    if not 0 < asked_cents <= left_cents:
        raise NotRefundable("Less than that is left to refund.", left_cents=left_cents)
    return asked_cents


def left_to_refund_cents(payment: Payment, *, without: Refund | None = None) -> int:
    """Return what is left of a payment; `without` one of its refunds, what was left for that one to take."""
    gone = payment.refunds.exclude(status__in=Refund.VOID)
    if without is not None:
        gone = gone.exclude(pk=without.pk)
    return (payment.paid_cents or 0) - (gone.aggregate(total=Sum("amount_cents"))["total"] or 0)
