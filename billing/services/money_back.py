"""What a refund and a dispute do to credits: the share of what was given, taken back, or given again.

What is taken is computed from all that is known of one payment, so that neither order nor repetition matters: every
refund and dispute of it, in the order of Stripe's time, stands for a share of the price, and together they never take
more than was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db import transaction

from billing import gateway, stripe_data
from billing.models import CheckoutState, Clawback, Customer, Dispute, PaidInvoice, Purchase, Refund
from billing.services.invoices import pay_until, record_invoice
from billing.services.settlement import settle_payment_intent
from billing.services.subscriptions import apply_plan
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec.logs import get_logger

log = get_logger(__name__)

Payment = Purchase | PaidInvoice
Cause = Refund | Dispute

ZERO = Decimal(0)
MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True)
class Gift:
    """A grant that a payment gave."""

    kind: str
    source: str
    credits: Decimal


# --- What a payment paid for --------------------------------------------------------------------------------------


def find_payment(*, payment_intent_id: str, now: datetime) -> Payment | None:
    """This will return the purchase or the paid invoice behind a payment, fulfilled first if it was not.

    None when it is not ours, or of a second subscription, which gave nothing.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    purchase = Purchase.objects.filter(payment_intent_id=payment_intent_id).first()
    if purchase is None or purchase.state not in (CheckoutState.FULFILLED, CheckoutState.NEEDS_REVIEW):
        purchase = settle_payment_intent(payment_intent_id=payment_intent_id, now=now) or purchase
    if purchase is not None:
        return purchase
    for payment in gateway.list_payments_of_intent(payment_intent_id):
        invoice_id = stripe_data.payment_invoice_id(payment)
        invoice = PaidInvoice.objects.filter(pk=invoice_id).first() or record_invoice(invoice_id=invoice_id, now=now)
        if invoice is not None:
            return invoice
    return None


def lock_payment(payment: Payment) -> Payment:
    """Take the lock under which a payment's refunds and disputes are written, and return the payment as it is."""
    if isinstance(payment, Purchase):
        return Purchase.objects.select_for_update().get(pk=payment.pk)
    Customer.objects.select_for_update(of=("self",)).get(subscriptions=payment.subscription_id)
    return PaidInvoice.objects.select_related("subscription").get(pk=payment.pk)


def payer_id(payment: Payment) -> UUID:
    """Return the id of who paid."""
    return payment.user_id if isinstance(payment, Purchase) else payment.subscription.user_id


def list_gifts(payment: Payment) -> list[Gift]:
    """Return what a payment has given until now."""
    if isinstance(payment, Purchase):
        if payment.state != CheckoutState.FULFILLED:
            return []
        source = f"purchase:{payment.pk}"
        gifts = [
            Gift("purchase", source, Decimal(payment.credits)),
            Gift("bonus", source, Decimal(payment.bonus_credits)),
        ]
        return [gift for gift in gifts if gift.credits]
    gifts = [Gift("subscription", given.source, given.credits) for given in allowances_of(payment)]
    if payment.upgrade_credits:
        gifts.append(Gift("subscription", f"upgrade:{payment.pk}", payment.upgrade_credits))
    return gifts


def allowances_of(invoice: PaidInvoice) -> list[credits_selectors.GivenAllowance]:
    """Return the allowances that an invoice paid for: those that begin in its period, and in no later invoice's."""
    if invoice.period_start is None or invoice.period_end is None:
        return []
    subscription = invoice.subscription
    later = PaidInvoice.objects.filter(subscription=subscription, period_start__gt=invoice.period_start)
    periods = list(later.values_list("period_start", "period_end"))
    return [
        given
        for given in credits_selectors.allowances_given(account_id=subscription.user_id, source=subscription.pk)
        if invoice.period_start <= given.period_start < invoice.period_end
        and not any(start <= given.period_start < end for start, end in periods if start and end)
    ]


# --- Shares -------------------------------------------------------------------------------------------------------


def list_causes(payment: Payment) -> list[Cause]:
    """Return the refunds and disputes of a payment, in the order of Stripe's time."""
    causes: list[Cause] = [*payment.refunds.all(), *payment.disputes.all()]
    return sorted(causes, key=lambda cause: (cause.created_at, str(cause)))


def is_effective(cause: Cause) -> bool:
    """Tell whether the money is gone, or on its way to the customer."""
    if isinstance(cause, Refund):
        return cause.status in ("pending", "requires_action", "succeeded")
    if cause.status in stripe_data.INQUIRY_STATUSES or cause.status == "won":
        return False
    return not cause.is_reinstated


def shares(credits: Decimal, paid_cents: int, causes: Sequence[Cause]) -> list[Decimal]:
    """Return how much of a grant each cause takes: its share of the price, to a millionth; the one that completes the
    price takes the rest. Where the customer keeps the credits, their share is spoken for, and not taken.
    """
    result: list[Decimal] = []
    gone_cents, gone = 0, ZERO
    for cause in causes:
        cents = min(cause.amount_cents, paid_cents - gone_cents) if is_effective(cause) else 0
        gone_cents += cents
        if not cents:
            share = ZERO
        elif gone_cents == paid_cents:
            share = credits - gone
        else:
            share = (credits * cents / paid_cents).quantize(MILLIONTH, ROUND_FLOOR)
        gone += share
        keeps = isinstance(cause, Refund) and cause.keep_credits
        result.append(ZERO if keeps else share)
    return result


# --- Taking and giving again --------------------------------------------------------------------------------------


def settle_money_back(*, payment: Payment, now: datetime) -> Decimal:
    """This will make the credits taken for a payment equal to what its refunds and disputes call for, and return how
    many are taken in all. The caller has opened a transaction.
    """
    payment = lock_payment(payment)
    causes = list_causes(payment)
    paid_cents = payment.paid_cents or 0
    account_id = payer_id(payment)
    for gift in list_gifts(payment):
        due = shares(gift.credits, paid_cents, causes)
        rows = {str(row.refund or row.dispute): row for row in clawbacks_of(causes, gift)}
        for cause, credits in zip(causes, due, strict=True):  # first what comes back, so that others may take it
            if str(cause) in rows:
                give_again(account_id, cause, rows[str(cause)], credits, now)
        for cause, credits in zip(causes, due, strict=True):
            row = rows.get(str(cause)) or Clawback(kind=gift.kind, source=gift.source, **cause_field(cause))
            rows[str(cause)] = row
            held = sum((other.taken_credits - other.returned_credits for other in rows.values()), ZERO)
            missing = credits - (row.taken_credits - row.returned_credits) - row.expired_credits
            take(account_id, cause, row, min(missing, gift.credits - held), now)
    if isinstance(payment, PaidInvoice):
        note_returned(payment, causes, now)
    return sum((row.taken_credits - row.returned_credits for row in clawbacks_of(causes)), ZERO)


def clawbacks_of(causes: Sequence[Cause], gift: Gift | None = None) -> list[Clawback]:
    """Return what the causes took, of one grant or of all."""
    rows: list[Clawback] = []
    for cause in causes:
        found = cause.clawbacks.select_related("refund", "dispute")
        rows += found.filter(kind=gift.kind, source=gift.source) if gift else found.all()
    return rows


def cause_field(cause: Cause) -> dict[str, Cause]:
    return {"refund": cause} if isinstance(cause, Refund) else {"dispute": cause}


def take(account_id: UUID, cause: Cause, row: Clawback, credits: Decimal, now: datetime) -> None:
    if credits <= 0:
        return
    name = "refund" if isinstance(cause, Refund) else "dispute"
    row.attempts += 1
    taken = credits_services.claw_back(
        account_id=account_id,
        kind=row.kind,
        source=row.source,
        credits=credits,
        idempotency_key=f"{name}:{cause}:{row.kind}:{row.source}:{row.attempts}",
        now=now,
        description="Credits of a refunded payment" if name == "refund" else "Credits of a disputed payment",
        reference_type=name,
        reference_id=str(cause),
    )
    row.taken_credits += taken.credits
    row.expired_credits += credits - taken.credits
    row.save()
    log.info(
        "Credits clawed back", user_id=str(account_id), cause=f"{name}:{cause}", source=row.source,
        credits=str(taken.credits), debt=str(taken.debt),
    )  # fmt: skip


def give_again(account_id: UUID, cause: Cause, row: Clawback, due: Decimal, now: datetime) -> None:
    """Give what was taken beyond what is due: all of it once the money stays or is back, or what a share shrank by."""
    credits = row.taken_credits - row.returned_credits - due
    if credits <= 0:
        return
    is_refund = isinstance(cause, Refund)
    name = "refund" if is_refund else "dispute"
    new_source = f"{name}_share" if due else "refund_failed" if is_refund else "dispute_won"
    new_source += f":{cause}"
    if row.kind == "subscription":  # several months may come back at once
        new_source += f":{row.source}"
    if row.returned_credits:
        new_source += f":{row.attempts}"
    credits_services.give_back(
        account_id=account_id,
        kind=row.kind,
        source=row.source,
        credits=credits,
        new_source=new_source,
        now=now,
        description="The refund failed: credits given back" if is_refund else "The dispute was won: credits given back",
        reference_type=name,
        reference_id=str(cause),
    )
    row.attempts += 1
    row.returned_credits += credits
    row.expired_credits = ZERO
    row.save()
    log.info(
        "Credits given back", user_id=str(account_id), cause=f"{name}:{cause}", source=row.source, credits=str(credits)
    )


def note_returned(invoice: PaidInvoice, causes: Sequence[Cause], now: datetime) -> None:
    """An invoice of which nothing is left pays for no further month, until a refund of it fails."""
    gone = [cause for cause in causes if is_effective(cause)]
    is_returned = (
        bool(gone)
        and sum(cause.amount_cents for cause in gone) >= invoice.paid_cents
        and not any(isinstance(cause, Refund) and cause.keep_credits for cause in gone)
    )
    if is_returned == invoice.is_returned:
        return
    invoice.is_returned = is_returned
    invoice.save(update_fields=["is_returned"])
    pay_until(invoice.subscription)
    apply_plan(Customer.objects.select_related("user").get(subscriptions=invoice.subscription_id), now)
    if not is_returned:
        credits_services.give_allowances(account_id=invoice.subscription.user_id, now=now)


def settle_later_allowances(*, now: datetime) -> int:
    """This will take, from what a refunded or disputed invoice has given since, its share, and return of how many
    invoices.

    The months inside a paid year are given one by one; a part of the year's price that went back shrinks them all.
    """
    open_invoices = PaidInvoice.objects.filter(period_end__gt=now, is_returned=False)
    touched = open_invoices.filter(refunds__isnull=False) | open_invoices.filter(disputes__isnull=False)
    invoices = list(touched.distinct().select_related("subscription"))
    for invoice in invoices:
        with transaction.atomic():
            settle_money_back(payment=invoice, now=now)
    return len(invoices)
