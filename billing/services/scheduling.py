"""Changes that wait for the end of the paid period, in a schedule at Stripe.

An upgrade takes a scheduled change's place, for Stripe updates no subscription that a schedule drives; and an upgrade
may come to nothing: a refused card, a confirmation that never comes. What it displaced is noted until it is paid for,
and put back if it never is.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import gateway, selectors
from billing.models import Customer, Interval, Subscription
from billing.services.exclusive import SubscriptionEnded, changing, resync
from billing.services.subscriptions import is_entitled
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)


def schedule(subscription: Subscription, *, plan: str, interval: str) -> None:
    """Have Stripe change the plan when the paid period ends; no schedule drives the subscription yet.

    :raises gateway.StripeRefused: it does not; a schedule may be left, which leads nowhere.
    """
    # Without a key of the change's own: one that was broken off left a schedule that has just been let go of.
    made = gateway.create_schedule(subscription_id=subscription.pk)
    gateway.update_schedule(made["id"], schedule_values(subscription, made, plan, interval))


def schedule_values(subscription: Subscription, made: dict[str, Any], plan: str, interval: str) -> dict[str, Any]:
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
                "items": [{"price": selectors.price_id_of_plan(plan=plan, interval=interval), "quantity": 1}],
                "duration": {"interval": "year" if interval == Interval.YEARLY else "month", "interval_count": 1},
                "proration_behavior": "none",
            },
        ],
    }


def release_schedule(subscription: Subscription) -> None:
    """Let go of a scheduled change for good, of one that an upgrade displaced as well."""
    note_displaced(subscription, plan="", interval="")
    let_go(subscription)


def let_go(subscription: Subscription) -> None:
    if not subscription.schedule_id:
        return
    try:
        gateway.release_schedule(subscription.schedule_id)
    except gateway.StripeRefused:
        if gateway.retrieve_schedule(subscription.schedule_id)["status"] not in ("released", "completed", "canceled"):
            raise


# --- What an upgrade displaces ------------------------------------------------------------------------------------


def displace_schedule(subscription: Subscription) -> None:
    """Let go of a scheduled change to make room for an upgrade. It is noted first: if we die in between, reconcile
    finds that it is missing."""
    if subscription.pending_plan:
        note_displaced(subscription, plan=subscription.pending_plan, interval=subscription.pending_interval)
    let_go(subscription)


def note_displaced(subscription: Subscription, *, plan: str, interval: str) -> None:
    with transaction.atomic():
        Customer.objects.select_for_update(of=("self",)).get(pk=subscription.customer_id)
        Subscription.objects.filter(pk=subscription.pk).update(displaced_plan=plan, displaced_interval=interval)


def put_back_change(*, subscription_id: str, now: datetime) -> None:
    """This will schedule again what an upgrade displaced that has come to nothing, any number of times.

    :raises ChangeUnderWay: the subscription is being changed by a request; afterwards is soon enough.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    displaced = Subscription.objects.filter(pk=subscription_id).exclude(displaced_plan="").select_related("user")
    known = displaced.first()
    if known is None:
        return
    with suppress(SubscriptionEnded), changing(user=known.user, subscription_id=subscription_id, now=now) as current:
        put_back(current, now)


def put_back_if_possible(subscription: Subscription, now: datetime) -> None:
    """Put back what is displaced, now that an upgrade was refused; where that fails, reconcile does it later."""
    try:
        put_back(subscription, now)
    except DomainError as error:
        log.warning("Scheduled change not put back yet", subscription_id=subscription.pk, reason=error.detail)


def put_back(subscription: Subscription, now: datetime) -> None:
    """Schedule again what is displaced, unless the upgrade still waits for the customer, or was paid after all; the
    caller keeps other changes out."""
    subscription = resync(subscription, now)  # which forgets what was displaced by an upgrade that was paid
    if not subscription.displaced_plan or gateway.retrieve_subscription(subscription.pk).get("pending_update"):
        return
    is_free_for_it = is_entitled(subscription) and not subscription.pending_plan
    if is_free_for_it and selectors.planned_end(subscription) is None:
        let_go(subscription)  # a schedule that leads nowhere, of a try that was broken off
        schedule(subscription, plan=subscription.displaced_plan, interval=subscription.displaced_interval)
        log.info(
            "Scheduled change put back", user_id=str(subscription.user_id), subscription_id=subscription.pk,
            plan=subscription.displaced_plan, interval=subscription.displaced_interval,
        )  # fmt: skip
    note_displaced(subscription, plan="", interval="")
    resync(subscription, now)
