"""What an upgrade gives beside the month's allowance: the share of the new plan that the month has not given yet."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db.models import Sum

from billing import stripe_data
from billing.models import PaidInvoice, Subscription
from billing.services.subscriptions import is_entitled, require_plan_of_price
from credits import selectors as credits_selectors
from credits import services as credits_services

ZERO = Decimal(0)
# At once, with the next renewal, or by an invoice that staff make of what waits for it.
BILLED_BY = ("subscription_update", "subscription_cycle", "manual")


@dataclass(frozen=True)
class Upgrade:
    """A change to a plan that gives more, and the moment up to which the old plan counts (the proration date)."""

    old_plan: str
    new_plan: str
    changed_at: datetime


def find_upgrade(invoice: dict[str, Any]) -> Upgrade | None:
    """Return the upgrade that an invoice bills: unused time of one plan back, time of one that gives more charged.

    Of several changes that are billed together, the last one counts.
    """
    if invoice["billing_reason"] not in BILLED_BY:
        return None
    lines = stripe_data.invoice_lines(invoice)
    given_back = [line for line in lines if line.is_proration and line.amount_cents < 0]
    charged = [line for line in lines if line.amount_cents > 0]
    if invoice["billing_reason"] != "subscription_update":  # other lines are the next period's, or staff's own
        charged = [line for line in charged if line.is_proration]
    if not given_back or not charged:
        return None
    old_plan, _ = require_plan_of_price(given_back[-1].price_id)
    new_plan, _ = require_plan_of_price(charged[-1].price_id)
    if monthly_credits(new_plan) <= monthly_credits(old_plan):
        return None
    return Upgrade(old_plan, new_plan, changed_at=given_back[-1].starts_at)


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

    A month whose own invoice is still on its way (a renewal is a draft for an hour) counts as given: it will be.
    """
    month = credits_selectors.month_at(anchor_at=subscription.anchor_at, at=upgrade.changed_at)
    length_seconds = Decimal((month.end_at - month.start_at).total_seconds())
    left_seconds = Decimal((month.end_at - upgrade.changed_at).total_seconds())
    old, new = monthly_credits(upgrade.old_plan), monthly_credits(upgrade.new_plan)
    due = (old * (length_seconds - left_seconds) + new * left_seconds) / length_seconds
    earlier_upgrades: Decimal | None = PaidInvoice.objects.filter(
        subscription=subscription, upgraded_at__gte=month.start_at, upgraded_at__lt=month.end_at
    ).aggregate(total=Sum("upgrade_credits"))["total"]
    allowance = credits_selectors.allowance_given(
        account_id=subscription.user_id, source=subscription.pk, period_start=month.start_at
    )
    missing = due - (allowance or old) - (earlier_upgrades or ZERO)
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
