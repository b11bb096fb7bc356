"""Which subscription a user has, and what it looks like to the app."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import Subscription
from credits import selectors as credits_selectors
from smartspec.users import selectors as users_selectors
from smartspec.users.models import User

# Stripe does not say when it gives up on a renewal: an hour as a draft, then the retries that the account is set to.
RETRIES_LAST = timedelta(days=21, hours=1)


@dataclass(frozen=True)
class SubscriptionView:
    """A user's plan as the API shows it; on Free, `id` and `interval` are None."""

    id: str | None
    plan: str
    plan_name: str
    display_name: str
    status: str
    interval: str | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    cancel_at: datetime | None
    access_ends_at: datetime | None
    pending_change: dict[str, Any] | None
    features: list[str]
    monthly_credits: int
    next_allowance_at: datetime | None

    @property
    def is_cancelled(self) -> bool:
        """It ends because somebody cancelled it: with the period, or on a day chosen at Stripe."""
        return self.cancel_at_period_end or self.cancel_at is not None

    @property
    def allowance_comes(self) -> bool:
        """The plan gives one more allowance: it is paid for, and does not end before."""
        ends_at = self.access_ends_at
        return self.next_allowance_at is not None and (ends_at is None or self.next_allowance_at < ends_at)


@dataclass(frozen=True)
class ComingCredits:
    """Monthly credits that will come if nothing is done about the plan."""

    credits: Decimal
    at: datetime


def current_subscription(*, user_id: UUID) -> Subscription | None:
    """Return the user's subscription that is not ended; the database knows at most one."""
    return Subscription.objects.filter(user_id=user_id, ended_at__isnull=True, is_surplus=False).first()


def get_subscription_view(*, user_id: UUID, now: datetime) -> SubscriptionView:
    """Return the user's plan, paid or Free."""
    state = credits_selectors.get_plan_state(account_id=user_id, now=now)
    plan = credits_selectors.get_plan(state.plan)
    subscription = current_subscription(user_id=user_id)
    shared: dict[str, Any] = {
        "plan": plan.slug,
        "plan_name": plan.name,
        "display_name": plan.display_name,
        "features": list(plan.features),
        "monthly_credits": plan.monthly_credits,
        "next_allowance_at": state.next_allowance_at,
    }
    if subscription is None:
        return SubscriptionView(
            id=None,
            status="active",
            interval=None,
            current_period_start=state.period_start,
            current_period_end=state.period_end,
            cancel_at_period_end=False,
            cancel_at=None,
            access_ends_at=None,
            pending_change=None,
            **shared,
        )
    return SubscriptionView(
        id=subscription.pk,
        status=subscription.status,
        interval=subscription.interval,
        current_period_start=subscription.current_period_start,
        current_period_end=subscription.current_period_end,
        cancel_at_period_end=ends_with_period(subscription),
        cancel_at=subscription.cancel_at,
        access_ends_at=access_ends_at(subscription),
        pending_change=pending_change(subscription),
        **shared,
    )


def coming_credits(*, user: User, now: datetime) -> ComingCredits | None:
    """Return the next monthly credits, None when none are sure to come.

    A plan that ends or changes before its next month gives none itself: then it is the new plan's, or Free's, which an
    unconfirmed address does not get.
    """
    view = get_subscription_view(user_id=user.pk, now=now)
    change = view.pending_change
    if view.id is not None and view.allowance_comes and view.next_allowance_at:
        if change is None or view.next_allowance_at < change["effective_at"]:
            return ComingCredits(Decimal(view.monthly_credits), view.next_allowance_at)
        return ComingCredits(credits_selectors.get_plan(change["plan"]).monthly_credits, change["effective_at"])
    comes_at = view.next_allowance_at if view.id is None else view.access_ends_at
    if comes_at is None or view.status == "past_due" or not users_selectors.has_verified_email(user):
        return None
    return ComingCredits(credits_selectors.get_plan("free").monthly_credits, comes_at)


def planned_end(subscription: Subscription) -> datetime | None:
    """Return when a cancelled subscription ends, None when it is not cancelled.

    Stripe has two forms of the same: the flag, as we set it, and a moment without the flag, as its portal does.
    """
    return subscription.cancel_at or (subscription.current_period_end if subscription.cancel_at_period_end else None)


def ends_with_period(subscription: Subscription) -> bool:
    """Tell whether a subscription is cancelled to the end of its paid period."""
    return planned_end(subscription) == subscription.current_period_end


def access_ends_at(subscription: Subscription) -> datetime | None:
    """Return when the plan ends if nothing is done about it, None when it goes on."""
    cancelled_to = planned_end(subscription)
    ends = [cancelled_to] if cancelled_to else []
    if subscription.status == "past_due":
        ends.append(subscription.current_period_start + RETRIES_LAST)
    return min(ends, default=None)


def pending_change(subscription: Subscription) -> dict[str, Any] | None:
    if not subscription.pending_plan:
        return None
    return {
        "plan": subscription.pending_plan,
        "interval": subscription.pending_interval,
        "effective_at": subscription.pending_at,
    }
