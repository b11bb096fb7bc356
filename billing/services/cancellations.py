"""Ending a subscription, going on with it, and undoing what is scheduled."""

from datetime import datetime

from billing import gateway
from billing.models import Subscription
from billing.services.exclusive import changing, resync
from billing.services.scheduling import forget_displaced_change, giving_way, let_go, release_schedule
from smartspec.errors import DomainError
from smartspec.users.models import User


class NoPendingChange(DomainError):
    """Nothing is scheduled."""

    code = "no_pending_change"
    status = 409
    title = "No pending change"


def cancel_subscription(
    *, user: User, subscription_id: str, at_period_end: bool, now: datetime, feedback: str = ""
) -> Subscription:
    """This will end a subscription, at the end of its paid period or now (which never prorates). Again is the same.

    `feedback` is why, in a word of Stripe's list; Stripe keeps it.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    :raises ChangeUnderWay: it is being changed by another request.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    with changing(user=user, subscription_id=subscription_id, now=now) as subscription:
        return end_subscription(subscription, at_period_end=at_period_end, now=now, feedback=feedback)


def reactivate_subscription(*, user: User, subscription_id: str, now: datetime) -> Subscription:
    """This will undo a cancellation, at period end or on a day that was chosen at Stripe. A subscription that goes on
    anyway stays as it is.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    :raises ChangeUnderWay: it is being changed by another request.
    """
    with changing(user=user, subscription_id=subscription_id, now=now) as subscription:
        release_schedule(subscription)
        go_on(subscription)
        return resync(subscription, now)


def cancel_pending_change(*, user: User, subscription_id: str, now: datetime) -> Subscription:
    """This will undo a scheduled change: the plan goes on as it is.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    :raises NoPendingChange: nothing is scheduled.
    :raises ChangeUnderWay: it is being changed by another request.
    """
    with changing(user=user, subscription_id=subscription_id, now=now) as subscription:
        if not subscription.pending_plan and not subscription.displaced_plan:
            raise NoPendingChange("No change of plan is scheduled.")
        forget_displaced_change(subscription)
        let_go(subscription)
        return resync(subscription, now)


# --- What changes of plan use as well --------------------------------------------------------------------------------


def end_subscription(
    subscription: Subscription, *, at_period_end: bool, now: datetime, feedback: str = ""
) -> Subscription:
    """End a subscription whose other changes are kept out; as for `cancel_subscription`."""
    if at_period_end:
        return end_with_period(subscription, now, feedback)
    with giving_way(subscription, now):
        gateway.cancel_subscription(subscription.pk)
    return resync(subscription, now)


def end_with_period(subscription: Subscription, now: datetime, feedback: str = "") -> Subscription:
    """End a subscription at the end of its paid period; `feedback` as for `cancel_subscription`."""
    details = {"cancellation_details": {"feedback": feedback}} if feedback else {}
    with giving_way(subscription, now):
        gateway.update_subscription(subscription.pk, {"cancel_at_period_end": True, **details})
    return resync(subscription, now)


def go_on(subscription: Subscription) -> None:
    """Undo a cancellation in the form that it has: Stripe ignores the flag's undoing where the flag was not set."""
    has_moment_alone = subscription.cancel_at is not None and not subscription.cancel_at_period_end
    gateway.update_subscription(
        subscription.pk, {"cancel_at": ""} if has_moment_alone else {"cancel_at_period_end": False}
    )
