"""What an upgrade gives beside the month's allowance: the share of the new plan that the month has not given yet."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db.models import Sum

from billing import stripe_data
from billing.models import PaidInvoice, Subscription
from billing.services.subscriptions import FREE, is_entitled, paid_from, require_plan_of_price
from credits import selectors as credits_selectors
from credits import services as credits_services

ZERO = Decimal(0)
# At once, with the next renewal, or by an invoice that staff make of what waits for it.
BILLED_BY = ("subscription_update", "subscription_cycle", "manual")


@dataclass(frozen=True)
class PriceChange:
    """A change of price that an invoice bills, and the moment up to which the old one counts (the proration date)."""

    old_price_id: str
    new_price_id: str
    changed_at: datetime


@dataclass(frozen=True)
class Upgrade:
    """A change to a plan that gives more, and the moments up to which the old plan and the new one count."""

    old_plan: str
    new_plan: str
    changed_at: datetime
    ends_at: datetime | None = None  # with the month, if not before


def find_change(invoice: dict[str, Any], price_before: str) -> PriceChange | None:
    """Return the change that an invoice bills: time of one price given back, time of another charged.

    Of several that are billed together, the last one counts, wherever it stands. What is given back is negative, but
    nothing where a coupon made the period free: then it is of `price_before`, which the invoices until then charged.
    """
    if invoice["billing_reason"] not in BILLED_BY:
        return None
    lines = stripe_data.invoice_lines(invoice)
    prorations = [line for line in lines if line.is_proration]
    if not prorations:
        return None
    changed_at = max(line.starts_at for line in prorations)
    cents: dict[str, list[int]] = {}
    for line in prorations:
        if line.starts_at == changed_at:
            cents.setdefault(line.price_id, []).append(line.amount_cents)
    # What came and went within that second has changed nothing.
    net = {price_id: sum(amounts) for price_id, amounts in cents.items() if sum(amounts) or not any(amounts)}
    charged = list(net)
    if invoice["billing_reason"] == "subscription_update":  # on others such a line is the next period's
        charged = [line.price_id for line in lines if not line.is_proration and line.amount_cents > 0] + charged
    old = next((price_id for price_id, amount in net.items() if amount < 0), price_before)
    new = next((price_id for price_id in charged if price_id != old), None)
    return PriceChange(old, new, changed_at) if old and new else None


def prices_before(invoices: list[dict[str, Any]]) -> dict[str, str]:
    """Return the price that a subscription was on before each of its paid invoices, which come oldest first."""
    price_id, found = "", {}
    for invoice in invoices:
        found[invoice["id"]] = price_id
        period, change = stripe_data.invoice_period_lines(invoice), find_change(invoice, price_id)
        price_id = period[0].price_id if period else change.new_price_id if change else price_id
    return found


def find_upgrade(invoice: dict[str, Any], price_before: str) -> Upgrade | None:
    """Return the upgrade that an invoice bills, if the plan that it changes to gives more. A first period that is cut
    short is one from Free: the month that it begins in is counted from where the billing cycle begins.

    :raises UnknownPrice: it bills a price that stands for no plan.
    """
    short = stripe_data.invoice_short_line(invoice)
    if short is not None:
        return Upgrade(FREE, require_plan_of_price(short.price_id)[0], short.starts_at, short.ends_at)
    change = find_change(invoice, price_before)
    if change is None:
        return None
    old_plan, _ = require_plan_of_price(change.old_price_id)
    new_plan, _ = require_plan_of_price(change.new_price_id)
    if monthly_credits(new_plan) <= monthly_credits(old_plan):
        return None
    return Upgrade(old_plan, new_plan, changed_at=change.changed_at)


def give_upgrade(recorded: PaidInvoice, upgrade: Upgrade, now: datetime) -> Decimal:
    """Grant what this month's share of both plans exceeds what the month has given; the caller holds the lock."""
    subscription = Subscription.objects.get(pk=recorded.subscription_id)
    credits = upgrade_credits(subscription, upgrade) + later_months_credits(subscription, upgrade)
    if not credits:
        return ZERO
    month = credits_selectors.month_at(anchor_at=subscription.anchor_at, at=upgrade.changed_at)
    expires_at = month.end_at
    if expires_at <= now:  # learned of after the month's end: it lives as long from now
        expires_at = now + (month.end_at - month.start_at)
    source = f"upgrade:{recorded.pk}"
    credits_services.grant(
        account_id=subscription.user_id,
        kind="subscription",
        credits=credits,
        source=source,
        now=now,
        expires_at=expires_at,
        description=f"Upgrade to {credits_selectors.get_plan(upgrade.new_plan).display_name}",
        reference_type="invoice",
        reference_id=recorded.pk,
    )
    if subscription.ended_at is not None and subscription.ended_at < month.end_at:
        # The plan ended within that month, and what it gave with it.
        credits_services.end_lot(account_id=subscription.user_id, source=source, now=now)
    return credits


def upgrade_credits(subscription: Subscription, upgrade: Upgrade) -> Decimal:
    """Return `max(0, old x elapsed + new x left - what the month gave)`, rounded up to a whole credit.

    A month whose own invoice is still on its way (a renewal is a draft for an hour) counts as given: it will be. Of one
    that had begun before anything was paid only that part does.
    """
    month = credits_selectors.month_at(anchor_at=subscription.anchor_at, at=upgrade.changed_at)
    length_seconds = Decimal((month.end_at - month.start_at).total_seconds())
    ends_at = min(month.end_at, upgrade.ends_at or month.end_at)
    left_seconds = Decimal((ends_at - upgrade.changed_at).total_seconds())
    old = ZERO if upgrade.old_plan == FREE else monthly_credits(upgrade.old_plan)
    new = monthly_credits(upgrade.new_plan)
    due = (old * (length_seconds - left_seconds) + new * left_seconds) / length_seconds
    earlier_upgrades: Decimal | None = PaidInvoice.objects.filter(
        subscription=subscription, upgraded_at__gte=month.start_at, upgraded_at__lt=month.end_at
    ).aggregate(total=Sum("upgrade_credits"))["total"]
    allowance = credits_selectors.allowance_given(
        account_id=subscription.user_id, source=subscription.pk, period_start=month.start_at
    )
    if not allowance:
        begin, allowance = paid_from(subscription), old
        if begin is not None and month.start_at < begin:
            allowance = old * Decimal((begin - month.start_at).total_seconds()) / length_seconds
    missing = due - allowance - (earlier_upgrades or ZERO)
    return max(ZERO, missing.to_integral_value(rounding=ROUND_CEILING))


def later_months_credits(subscription: Subscription, upgrade: Upgrade) -> Decimal:
    """Return what the months since an upgrade lack that were given by the old plan, because we did not know of it."""
    new = monthly_credits(upgrade.new_plan)
    given = credits_selectors.allowances_given(account_id=subscription.user_id, source=subscription.pk)
    return sum((max(ZERO, new - one.credits) for one in given if one.period_start > upgrade.changed_at), ZERO)


def preview_upgrade_credits(*, subscription: Subscription, new_plan: str, changed_at: datetime) -> Decimal:
    """Return the credits that a change to `new_plan` at this moment, paid at once, would grant."""
    if not is_entitled(subscription) or monthly_credits(new_plan) <= monthly_credits(subscription.plan):
        return ZERO
    return upgrade_credits(subscription, Upgrade(subscription.plan, new_plan, changed_at))


def monthly_credits(plan: str) -> Decimal:
    return Decimal(credits_selectors.get_plan(plan).monthly_credits)
