"""One change of a subscription at a time.

A change is several calls to Stripe, and no transaction of ours may last that long. Of two at once (a second click, a
second device) the later would let go of what the earlier one has just scheduled; so it is refused instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q

from billing.models import Customer, Subscription
from billing.services.subscriptions import sync_subscription
from smartspec.errors import DomainError
from smartspec.users.models import User

# Longer than any change takes; a process that dies in the middle keeps others out no longer than this.
CLAIMED_FOR = timedelta(minutes=2)


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


class ChangeUnderWay(DomainError):
    """Another request is changing the subscription at this moment."""

    code = "change_under_way"
    status = 409
    title = "Change under way"


@contextmanager
def changing(*, user: User, subscription_id: str, now: datetime) -> Iterator[Subscription]:
    """This will keep other changes out for the length of a block, and give it the subscription as Stripe has it now.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended, perhaps just now.
    :raises ChangeUnderWay: it is being changed by another request.
    """
    find_own(user, subscription_id)
    claimed_until = now + CLAIMED_FOR
    # By the user: the row's id changes when the customer is deleted at Stripe by hand.
    free = Customer.objects.filter(Q(changing_until=None) | Q(changing_until__lte=now), user=user)
    if not free.update(changing_until=claimed_until):
        raise ChangeUnderWay("Your subscription is being changed by another request. Please try again in a moment.")
    try:
        yield find_current(user, subscription_id, now)
    finally:
        Customer.objects.filter(user=user, changing_until=claimed_until).update(changing_until=None)


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
    try:
        synced = sync_subscription(subscription_id=subscription.pk, now=now)
    except Customer.DoesNotExist:  # it has got another id at this moment
        synced = sync_subscription(subscription_id=subscription.pk, now=now)
    if synced is None:
        raise SubscriptionNotFound("You have no such subscription.")
    return synced
