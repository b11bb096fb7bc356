"""What a refund and a dispute do to credits: the share of what was given, taken back, or given again.

What is taken is computed from all that is known of one payment, so that neither order nor repetition matters: every
refund and dispute of it, in the order of Stripe's time, stands for a share of the price, and together they never take
more than was given.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from billing import stripe_data
from billing.models import Clawback, Customer, Dispute, PaidInvoice, Refund
from billing.services.gifts import Gift, Payment, list_gifts, lock_payment, payer_id, periods_of, upgrades_within
from billing.services.subscriptions import apply_plan, pay_until
from credits import services as credits_services
from smartspec.logs import get_logger

log = get_logger(__name__)

Cause = Refund | Dispute

ZERO = Decimal(0)
MILLIONTH = Decimal("0.000001")


# --- Shares -------------------------------------------------------------------------------------------------------


def list_causes(payment: Payment) -> list[Cause]:
    """Return the refunds and disputes of a payment, in the order of Stripe's time."""
    causes: list[Cause] = [*payment.refunds.all(), *payment.disputes.all()]
    return sorted(causes, key=lambda cause: (cause.created_at, str(cause)))


def is_effective(cause: Cause) -> bool:
    """Tell whether the money is gone, or on its way to the customer."""
    if isinstance(cause, Refund):
        return cause.status in Refund.RETURNING
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
    if isinstance(payment, PaidInvoice):
        note_returned(payment, now)  # first, for it may give months, which are shared out as the others are
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


def note_returned(invoice: PaidInvoice, now: datetime) -> None:
    """A period of which nothing is paid any more, no upgrade within it either, gives no further month, until a refund
    of it fails."""
    for period in periods_of(invoice):
        invoices = PaidInvoice.objects.filter(subscription=period.subscription_id).select_related("subscription")
        paid_by = [period, *upgrades_within(period, list(invoices))]
        is_returned = all(is_all_gone(paid) for paid in paid_by)
        if is_returned == period.is_returned:
            continue
        PaidInvoice.objects.filter(pk=period.pk).update(is_returned=is_returned)
        pay_until(period.subscription)
        apply_plan(Customer.objects.select_related("user").get(subscriptions=period.subscription_id), now)
        if not is_returned:
            credits_services.give_allowances(account_id=period.subscription.user_id, now=now)
            for paid in paid_by:
                if paid.pk != invoice.pk:  # which is being settled
                    settle_money_back(payment=paid, now=now)


def is_all_gone(invoice: PaidInvoice) -> bool:
    """Tell whether all that was paid went back, and the credits with it."""
    gone = [cause for cause in list_causes(invoice) if is_effective(cause)]
    return (
        bool(gone)
        and sum(cause.amount_cents for cause in gone) >= invoice.paid_cents
        and not any(isinstance(cause, Refund) and cause.keep_credits for cause in gone)
    )


def settle_upgraded(upgrade: PaidInvoice, now: datetime) -> None:
    """This will take, of months that an upgrade had given after all, what went back of the period's own price."""
    for period in periods_of(upgrade):
        settle_money_back(payment=period, now=now)


def settle_later_allowances(*, now: datetime) -> int:
    """This will take, from what a refunded or disputed invoice has given since, its share, and return of how many
    invoices.

    The months inside a paid year are given one by one; a part of its price that went back, or of an upgrade's within
    it, shrinks them all.
    """
    open_periods = PaidInvoice.objects.filter(period_end__gt=now)
    upgraded = open_periods.filter(
        subscription=OuterRef("subscription"),
        period_start__lte=OuterRef("upgraded_at"),
        period_end__gt=OuterRef("upgraded_at"),
    )
    gives_months = PaidInvoice.objects.filter(Q(period_end__gt=now) | Exists(upgraded))
    touched = gives_months.filter(
        Exists(Refund.objects.filter(invoice=OuterRef("pk"))) | Exists(Dispute.objects.filter(invoice=OuterRef("pk")))
    )
    invoices = list(touched.select_related("subscription"))
    for invoice in invoices:
        with transaction.atomic():
            settle_money_back(payment=invoice, now=now)
    return len(invoices)
