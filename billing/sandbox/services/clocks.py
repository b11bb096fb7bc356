"""Test clocks: a time of their own for some customers, moved forward by hand.

https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from procrastinate.contrib.django import app

from billing.sandbox import periods, store
from billing.sandbox.errors import ParameterInvalid, StripeError
from billing.sandbox.objects import clock as clock_objects
from billing.sandbox.services import events, subscriptions, timekeeping

Data = dict[str, Any]

KIND = "test_helpers.test_clock"
INTERVALS = 2  # so many of the shortest subscription's may be skipped at once
YEARS_WITHOUT_SUBSCRIPTION = 2


@transaction.atomic
def create_test_clock(params: Data, *, now: datetime) -> Data:
    """This will create a clock that stands still at `frozen_time`."""
    clock = clock_objects.new_test_clock(
        frozen_time=params["frozen_time"], name=params.get("name"), now=store.timestamp(now)
    )
    store.add(clock)
    events.emit("test_helpers.test_clock.created", clock, now=now)
    return clock


def get_test_clock(clock_id: str, *, now: datetime) -> Data:
    """This will return a clock. One that is advancing arrives first: who polls it needs no worker."""
    if store.get(KIND, clock_id, param="test_clock")["status"] == "advancing":
        arrive(clock_id=clock_id, now=now)
    return store.get(KIND, clock_id, param="test_clock")


@transaction.atomic
def delete_test_clock(clock_id: str, *, now: datetime) -> Data:
    """This will delete a clock and everything that lives by it, without a word about the rest."""
    clock = store.lock(KIND, clock_id, param="test_clock")
    store.mark_clock_deleted(clock_id)
    store.mark_deleted(KIND, clock_id)
    events.emit("test_helpers.test_clock.deleted", clock, now=now)
    return {"id": clock_id, "object": KIND, "deleted": True}


@transaction.atomic
def advance_test_clock(clock_id: str, *, frozen_time: int, now: datetime) -> Data:
    """This will start to move a clock forward; what is due until then is played after the answer.

    :raises ParameterInvalid: for a time that is not later, or later than Stripe allows in one step.
    :raises StripeError: 429 while it is advancing already.
    """
    before = store.lock(KIND, clock_id, param="test_clock")
    refuse_while_advancing(before)
    if frozen_time <= before["frozen_time"]:
        raise ParameterInvalid(
            "frozen_time", "The test clock can only be advanced forward: frozen_time must be after its current time."
        )
    if frozen_time > find_limit(before):
        raise ParameterInvalid(
            "frozen_time",
            "Cannot advance a test clock by more than two intervals of its shortest subscription, or by more than two "
            "years without one.",
        )
    clock = before | {
        "status": "advancing",
        "status_details": {"advancing": {"target_frozen_time": frozen_time}},
    }
    events.update(clock, before=before, event_type="test_helpers.test_clock.advancing", now=now)
    app.configure_task(name="billing.sandbox.tasks.arrive", queue="sandbox").defer(clock_id=clock_id)
    return clock


@events.by_themselves()
def arrive(*, clock_id: str, now: datetime) -> None:
    """This will play what is due until the time that an advancing clock is to reach, and let it stand there."""
    clock = store.get(KIND, clock_id)
    if clock["status"] != "advancing":
        return
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    timekeeping.pass_time(now=store.moment(target), clock=clock_id)
    with transaction.atomic():
        before = store.lock(KIND, clock_id)
        if before["status"] != "advancing":
            return
        clock = before | {"status": "ready", "frozen_time": target, "status_details": {}}
        events.update(clock, before=before, event_type="test_helpers.test_clock.ready", now=now)


@events.by_themselves()
def move(clock_id: str, *, by: timedelta, now: datetime) -> int:
    """This will bring a clock forward at once, however far, and return how much happened on the way."""
    before = store.get(KIND, clock_id)
    target = store.moment(before["frozen_time"]) + by
    played = timekeeping.pass_time(now=target, clock=clock_id)
    with transaction.atomic():
        before = store.lock(KIND, clock_id)
        moved = before | {"frozen_time": store.timestamp(target)}
        events.update(moved, before=before, event_type="test_helpers.test_clock.ready", now=now)
    return played


@transaction.atomic
def leave(clock_id: str) -> None:
    """This will let everything that lives by a clock live by the real one again, and end the clock."""
    store.take_off_clock(clock_id)
    store.mark_deleted(KIND, clock_id)


def find_limit(clock: Data) -> int:
    """This will return how far a clock may be moved at once, in seconds since 1970."""
    recurring = [
        item["price"]["recurring"]
        for subscription in store.find("subscription", clock=clock["id"])
        if subscription["status"] not in subscriptions.ENDED
        for item in subscription["items"]["data"]
    ]
    start = clock["frozen_time"]
    if not recurring:
        return periods.add_interval(start, interval="year", count=YEARS_WITHOUT_SUBSCRIPTION)
    return min(
        periods.add_interval(start, interval=one["interval"], count=INTERVALS * one["interval_count"])
        for one in recurring
    )


def present(object_ids: Iterable[str], *, now: datetime) -> tuple[datetime, Data | None]:
    """This will return the time by which the first of these objects lives that has a clock, and the clock.

    Without one that is `now`.
    """
    clock_id = store.find_clock(list(object_ids))
    if not clock_id:
        return now, None
    clock = store.get(KIND, clock_id)
    return store.moment(clock["frozen_time"]), clock


def time_of(object_id: str, *, now: datetime) -> datetime:
    """This will return the time by which an object lives: its test clock's, else `now`."""
    return present([object_id], now=now)[0]


def refuse_while_advancing(clock: Data) -> None:
    """This will refuse a change to what lives by a clock on its way.

    :raises StripeError: 429, as Stripe does.
    """
    if clock["status"] == "advancing":
        raise StripeError(
            429,
            f"Test clock advancement underway - cannot perform modifications: {clock['id']}",
            kind="rate_limit_error",
        )
