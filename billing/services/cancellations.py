"""Ending a subscription, going on with it, and undoing what is scheduled."""

from datetime import datetime

from billing import gateway
from billing.models import Subscription
from billing.services.subscriptions import sync_subscription
from smartspec.errors import DomainError
from smartspec.users.models import User


class SubscriptionNotFound(DomainError):
    """There is no such subscription, or it is somebody else's."""

    code = "not_found"
    status = 404
    title = "Not Found"


class SubscriptionEnded(DomainError):
    """The subscription has ended; a new one needs a new checkout."""

    code = "subscription_ended"
    status = 409
    title = "Subscription ended"


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
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    subscription = find_current(user, subscription_id, now)
    release_schedule(subscription)
    if at_period_end:
        details = {"cancellation_details": {"feedback": feedback}} if feedback else {}
        gateway.update_subscription(subscription.pk, {"cancel_at_period_end": True, **details})
    else:
        gateway.cancel_subscription(subscription.pk)
    return resync(subscription, now)


def reactivate_subscription(*, user: User, subscription_id: str, now: datetime) -> Subscription:
    """This will undo a cancellation at period end. A subscription that goes on anyway stays as it is.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    """
    subscription = find_current(user, subscription_id, now)
    release_schedule(subscription)
    gateway.update_subscription(subscription.pk, {"cancel_at_period_end": False})
    return resync(subscription, now)


def cancel_pending_change(*, user: User, subscription_id: str, now: datetime) -> Subscription:
    """This will undo a scheduled change: the plan goes on as it is.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    :raises NoPendingChange: nothing is scheduled.
    """
    subscription = find_current(user, subscription_id, now)
    if not subscription.pending_plan:
        raise NoPendingChange("No change of plan is scheduled.")
    release_schedule(subscription)
    return resync(subscription, now)


# --- What changes of plan use as well --------------------------------------------------------------------------------


def find_own(user: User, subscription_id: str) -> Subscription:
    """:raises SubscriptionNotFound: unknown, or somebody else's. :raises SubscriptionEnded: it has ended."""
    is_id = "\x00" not in subscription_id  # which Postgres has in no text
    found = Subscription.objects.filter(pk=subscription_id, user=user, is_surplus=False).first() if is_id else None
    if found is None:
        raise SubscriptionNotFound("You have no such subscription.")
    if found.ended_at is not None:
        raise SubscriptionEnded("This subscription has ended. Start a new one by a checkout.")
    return found


def find_current(user: User, subscription_id: str, now: datetime) -> Subscription:
    """Return the user's own subscription as Stripe has it now: it may have been changed elsewhere.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended, perhaps just now.
    """
    subscription = resync(find_own(user, subscription_id), now)
    if subscription.ended_at is not None:
        raise SubscriptionEnded("This subscription has ended. Start a new one by a checkout.")
    return subscription


def resync(subscription: Subscription, now: datetime) -> Subscription:
    """Return the row as Stripe has it now.

    :raises SubscriptionNotFound: Stripe no longer links it to a user of ours.
    """
    synced = sync_subscription(subscription_id=subscription.pk, now=now)
    if synced is None:
        raise SubscriptionNotFound("You have no such subscription.")
    return synced


def release_schedule(subscription: Subscription) -> None:
    """Let go of a scheduled change: Stripe refuses most updates while a schedule drives a subscription."""
    if not subscription.schedule_id:
        return
    try:
        gateway.release_schedule(subscription.schedule_id)
    except gateway.StripeRefused:
        if gateway.retrieve_schedule(subscription.schedule_id)["status"] not in ("released", "completed", "canceled"):
            raise
