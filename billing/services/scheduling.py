"""Changes that wait for the end of the paid period, in a schedule at Stripe.

A scheduled change, or a planned end, gives way to another change before that is made: Stripe updates no subscription
that a schedule drives. And the other may come to nothing: Stripe cannot be reached, a card is refused, a confirmation
never comes. So what gives way is noted until the other is made, or paid for, and put back if it never is.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing import gateway, selectors
from billing.models import Customer, Interval, Subscription
from billing.services.exclusive import SubscriptionEnded, changing, resync
from billing.services.subscriptions import is_entitled
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.paging import in_pages

log = get_logger(__name__)


def schedule(subscription: Subscription, *, plan: str, interval: str) -> None:
    """Have Stripe change the plan when the paid period ends; no schedule drives the subscription yet.

    :raises gateway.StripeRefused: it does not.
    """
    price_id = selectors.price_id_of_plan(plan=plan, interval=interval)
    # Without a key of the change's own: one that was broken off left a schedule that has just been let go of.
    made = gateway.create_schedule(subscription_id=subscription.pk)
    try:
        gateway.update_schedule(made["id"], schedule_values(subscription, made, price_id, interval))
    except DomainError:
        with suppress(DomainError):
            gateway.release_schedule(made["id"])
        raise


def schedule_values(subscription: Subscription, made: dict[str, Any], price_id: str, interval: str) -> dict[str, Any]:
    """Return the schedule's two phases: what is paid for as it is, then one period of the new price, then let go."""
    current = made["phases"][0]
    return {
        "end_behavior": "release",
        "proration_behavior": "none",
        "phases": [
            {
                "items": [{"price": subscription.price_id, "quantity": 1}],
                "start_date": current["start_date"],
                "end_date": current["end_date"],
                "proration_behavior": "none",
            },
            {
                "items": [{"price": price_id, "quantity": 1}],
                "duration": {"interval": "year" if interval == Interval.YEARLY else "month", "interval_count": 1},
                "proration_behavior": "none",
            },
        ],
    }


def release_schedule(subscription: Subscription) -> None:
    """Let go of a scheduled change for good, and of what has given way earlier."""
    forget_displaced(subscription)
    let_go(subscription)


def let_go(subscription: Subscription) -> None:
    if not subscription.schedule_id:
        return
    try:
        gateway.release_schedule(subscription.schedule_id)
    except gateway.StripeRefused:
        if gateway.retrieve_schedule(subscription.schedule_id)["status"] not in ("released", "completed", "canceled"):
            raise


# --- What gives way -----------------------------------------------------------------------------------------------


@contextmanager
def giving_way(subscription: Subscription, now: datetime, *, ends_at: datetime | None = None) -> Iterator[None]:
    """Let a scheduled change, and with `ends_at` a planned end, give way to the change that is made inside. What fails
    leaves them as they were."""
    try:
        displace(subscription, ends_at=ends_at)
        yield
    except DomainError:
        put_back_if_possible(subscription, now)
        raise
    forget_displaced(subscription)


def displace(subscription: Subscription, *, ends_at: datetime | None = None) -> None:
    """Let go of a scheduled change to make room for another, to which an end at `ends_at` gives way as well. Both are
    noted first: if we die in between, they are put back within the hour."""
    if subscription.pending_plan or ends_at:
        note_displaced(
            subscription, plan=subscription.pending_plan, interval=subscription.pending_interval, ends_at=ends_at
        )
    let_go(subscription)


def forget_displaced(subscription: Subscription) -> None:
    note_displaced(subscription, plan="", interval="", ends_at=None)


def forget_displaced_change(subscription: Subscription) -> None:
    note_displaced(subscription, plan="", interval="", ends_at=subscription.displaced_end_at)


def note_displaced(subscription: Subscription, *, plan: str, interval: str, ends_at: datetime | None) -> None:
    with transaction.atomic():
        Customer.objects.select_for_update(of=("self",)).get(user_id=subscription.user_id)
        Subscription.objects.filter(pk=subscription.pk).update(
            displaced_plan=plan, displaced_interval=interval, displaced_end_at=ends_at
        )


def has_displaced(subscription: Subscription) -> bool:
    return bool(subscription.displaced_plan or subscription.displaced_end_at)


def put_back_change(*, subscription_id: str, now: datetime) -> None:
    """This will put back what gave way to a change that has come to nothing, any number of times.

    :raises ChangeUnderWay: the subscription is being changed by a request; afterwards is soon enough.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    known = Subscription.objects.filter(pk=subscription_id).select_related("user").first()
    if known is None or not has_displaced(known):
        return
    with suppress(SubscriptionEnded), changing(user=known.user, subscription_id=subscription_id, now=now) as current:
        put_back(current, now)


def put_back_changes(*, now: datetime) -> None:
    """This will put back whatever gave way to changes that have come to nothing; what cannot be yet, the next time.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    gave_way = ~Q(displaced_plan="") | Q(displaced_end_at__isnull=False)
    for subscription in in_pages(Subscription.objects.filter(gave_way, ended_at__isnull=True)):
        try:
            put_back_change(subscription_id=subscription.pk, now=now)
        except gateway.StripeUnavailable:
            raise
        except DomainError as error:
            log.warning("Scheduled change not put back yet", subscription_id=subscription.pk, reason=error.detail)


def put_back_if_possible(subscription: Subscription, now: datetime) -> None:
    """Put back what gave way, now that the change has failed; where that fails as well, it is done within the hour."""
    try:
        put_back(subscription, now)
    except DomainError as error:
        log.warning("Scheduled change not put back yet", subscription_id=subscription.pk, reason=error.detail)


def put_back(subscription: Subscription, now: datetime) -> None:
    """Let be again what gave way, unless the change still waits for the customer, or was made after all, or something
    else was decided since; the caller keeps other changes out."""
    subscription = resync(subscription, now)  # which forgets what gave way to an upgrade that was paid
    if not has_displaced(subscription) or gateway.retrieve_subscription(subscription.pk).get("pending_update"):
        return
    if subscription.ended_at is None and not subscription.pending_plan:
        ends_at, is_to_go_on = subscription.displaced_end_at, selectors.planned_end(subscription) is None
        if ends_at or is_to_go_on:
            let_go(subscription)  # a schedule that leads nowhere, of a try that was broken off
        if ends_at:
            end_again(subscription, ends_at, now)
        if subscription.displaced_plan and is_entitled(subscription) and (ends_at or is_to_go_on):
            schedule_again(subscription)
    forget_displaced(subscription)
    resync(subscription, now)


def end_again(subscription: Subscription, ends_at: datetime, now: datetime) -> None:
    """Let it end when it was to, or, if that has passed, with the period that is paid for by now."""
    is_moment = now < ends_at != subscription.current_period_end
    values = (
        {"cancel_at": int(ends_at.timestamp()), "proration_behavior": "none"}
        if is_moment
        else {"cancel_at_period_end": True}
    )
    gateway.update_subscription(subscription.pk, values)
    log.info("Planned end put back", user_id=str(subscription.user_id), subscription_id=subscription.pk)


def schedule_again(subscription: Subscription) -> None:
    """Schedule what gave way. What Stripe schedules no more is given up: only the customer can choose another."""
    change = {"plan": subscription.displaced_plan, "interval": subscription.displaced_interval}
    about = {"user_id": str(subscription.user_id), "subscription_id": subscription.pk, **change}
    try:
        schedule(subscription, **change)
    except gateway.StripeRefused as error:
        log.error("Scheduled change could not be put back", reason=str(error.__cause__), **about)
        return
    log.info("Scheduled change put back", **about)
