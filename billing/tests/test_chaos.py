"""Every life cycle's events, in all orders, late, twice and two at a time: the books end the same.

A life is lived once, with every webhook arriving as it should, and remembered: what Stripe knew after each step, and
which events it sent. Then our books are put back to where they were before anything was paid, and the events are
brought again: after everything, or between the steps, in another order, some of them twice, alone or two at once on two
connections, without the queue that lets a customer's effects wait for each other. Events without a handler of ours have
no effect, so they are left out. What our own API did at Stripe during a step is known by its events alone: the process
that asked for it might have died before it heard the answer.

`CHAOS_SEED` repeats the orders of an earlier run.
"""

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from billing import handlers, services
from billing.models import Dispute, PaidInvoice, Purchase, Refund, Subscription
from billing.sandbox import store
from billing.tests import worlds
from billing.tests.lives import ENDS, MONEY_BACK, PLANS, PURCHASES, Books, Life, Person
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock
from smartspec.testing import make_client, make_user

pytestmark = pytest.mark.django_db(transaction=True)

ALL_ORDERS_UP_TO = 7  # events; 5,040 orders
RANDOM_ORDERS = 2000
FEW_ORDERS = 4  # of the short form
ATTEMPTS = 5  # of one delivery: the queue tries again, too
DUPLICATED = 0.25  # this share of the events comes twice
TWO_AT_ONCE = 0.5
GIVEN_AGAIN = ("refund_failed:", "dispute_won:", "refund_share:", "dispute_share:")


@dataclass(frozen=True)
class Event:
    """One message of Stripe's: its type, what it is about, and after which step it was sent."""

    kind: str
    object_id: str
    step: int


HOUR = Event("the hour strikes", "", 0)  # what the product does by itself
Schedule = list[list[list[Event]]]  # for every step, groups of events that come at once


@dataclass(frozen=True)
class Recording:
    """A life that was lived once."""

    life: Life
    user: Any
    books: worlds.Snapshot
    stripe: list[worlds.Snapshot]
    moments: list[datetime]
    events: list[Event]


# --- Living -------------------------------------------------------------------------------------------------------


def do_hourly_work(now: datetime) -> None:
    """What happens by itself: lots end, allowances are given, shares of later months are taken."""
    credits_services.expire(now=now)
    credits_services.give_due_allowances(now=now)
    services.settle_later_allowances(now=now)


@pytest.fixture
def record(settings: Any, run_jobs: Callable[[], int]) -> Iterator[Callable[[Life], Recording]]:
    """Return a function that lets a life be lived as it should be, and remembers it. Each begins in an empty world."""
    settings.CLOCK_OFFSET = "billing.sandbox.services.moving.read_offset"
    in_process = settings.STRIPE_HTTP_CLIENT
    clock.forget_offset()
    empty = worlds.Snapshot("empty", (*worlds.BOOKS, *worlds.STRIPE, *worlds.MACHINE))
    taken: list[worlds.Snapshot] = []

    def keep(snapshot: worlds.Snapshot) -> Any:
        taken.append(snapshot)
        return snapshot

    def work(now: datetime) -> None:
        run_jobs()
        do_hourly_work(now)

    def live(life: Life) -> Recording:
        settings.STRIPE_HTTP_CLIENT = in_process
        while taken:
            taken.pop().drop()
        empty.put_back()
        clock.forget_offset()
        # Free's credits are not what this is about: an address that is not verified gets none.
        user = make_user(f"alice+{uuid4().hex}@smartspec.test", name="Alice", is_verified=False)
        person = Person(make_client(user), work)
        seen = {event["id"] for event in store.find("event")}
        life.opening(person)
        books = keep(worlds.Snapshot("books", worlds.BOOKS))
        stripe = [keep(worlds.StripeSnapshot("stripe_0"))]
        moments, events = [clock.now()], []
        for number, step in enumerate((lambda person: None, *life.steps)):
            step(person)
            news = [event for event in reversed(store.find("event")) if event["id"] not in seen]
            seen |= {event["id"] for event in news}
            handled = [event for event in news if event["type"] in handlers.HANDLERS]
            events += [Event(event["type"], event["data"]["object"]["id"], number) for event in handled]
            if number:
                stripe.append(keep(worlds.StripeSnapshot(f"stripe_{number}")))
                moments.append(clock.now())
            run_jobs()
        settings.STRIPE_HTTP_CLIENT = "billing.tests.worlds.RememberingStripe"
        return Recording(life, user, books, stripe, moments, events)

    yield live
    clock.forget_offset()
    worlds.remember({})


@pytest.fixture
def two() -> Iterator[ThreadPoolExecutor]:
    """Two threads, each with a connection of its own."""
    both = threading.Barrier(2)

    def hang_up(_: int) -> None:
        both.wait()
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        yield pool
        list(pool.map(hang_up, range(2)))


# --- Orders -------------------------------------------------------------------------------------------------------


def with_duplicates(order: list[Event], rng: random.Random) -> list[Event]:
    """Let some events come a second time, at any later place."""
    result = list(order)
    for event in order:
        if rng.random() < DUPLICATED:
            result.insert(rng.randint(result.index(event) + 1, len(result)), event)
    return result


def grouped(events: list[Event], rng: random.Random) -> list[list[Event]]:
    """Let them come alone, or two at once."""
    groups: list[list[Event]] = []
    for event in events:
        if groups and len(groups[-1]) == 1 and rng.random() < TWO_AT_ONCE:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


def all_after(recording: Recording, order: list[Event], rng: random.Random) -> Schedule:
    """Nothing comes before everything has happened."""
    steps = len(recording.life.steps)
    return [[] for _ in range(steps)] + [grouped(with_duplicates(order, rng), rng)]


def between(recording: Recording, order: list[Event], rng: random.Random) -> Schedule:
    """Every event comes at some step not before its own; now and then the hour strikes."""
    steps = range(len(recording.life.steps) + 1)
    arriving: list[list[Event]] = [[HOUR] if rng.random() < 0.3 else [] for _ in steps]
    for event in with_duplicates(order, rng):
        arriving[rng.choice([step for step in steps if step >= event.step])].append(event)
    return [grouped(rng.sample(events, len(events)), rng) for events in arriving]


def orders(events: list[Event], rng: random.Random, limit: int | None) -> Iterator[list[Event]]:
    """Yield all orders where they are few, else `RANDOM_ORDERS` random ones; of either at most `limit`."""
    if len(events) <= ALL_ORDERS_UP_TO:
        every = [list(order) for order in itertools.permutations(events)]
        yield from every if limit is None or limit >= len(every) else rng.sample(every, limit)
        return
    for _ in range(RANDOM_ORDERS if limit is None else limit):
        yield rng.sample(events, len(events))


# --- Playing ------------------------------------------------------------------------------------------------------


def play(recording: Recording, schedule: Schedule, two: ThreadPoolExecutor) -> Books:
    """Bring the events as the schedule says, and return what the books say in the end."""
    recording.books.put_back()
    for stripe, now, groups in zip(recording.stripe, recording.moments, schedule, strict=True):
        stripe.put_back()
        for group in groups:
            again = group
            for _ in range(ATTEMPTS):
                again = [event for event in two.map(lambda event: deliver(event, now), again) if event]  # noqa: B023
                if not again:
                    break
            assert not again, f"{again} failed {ATTEMPTS} times"
    do_hourly_work(recording.moments[-1])
    return read_books(recording)


def deliver(event: Event, now: datetime) -> Event | None:
    """Do what an event calls for; an event that the queue would bring again is given back."""
    if event is HOUR:
        do_hourly_work(now)
        return None
    try:
        handlers.HANDLERS[event.kind](event.object_id, now)
    except services.SyncContended:
        return event
    return None


def read_books(recording: Recording) -> Books:
    user, now = recording.user, recording.moments[-1]
    balance = credits_selectors.get_balance(account_id=user.pk, now=now)
    faults = credits_selectors.verify_account(account_id=user.pk)
    assert not faults, faults
    return Books(
        tier=credits_selectors.get_plan_state(account_id=user.pk, now=now).plan,
        credits=credits_by_source(user),
        debt=float(balance.debt),
        frozen=credits_selectors.is_frozen(account_id=user.pk),
        purchases=tuple(f"{row.state} {row.paid_cents}" for row in Purchase.objects.order_by("created_at")),
        subscriptions=tuple(
            f"{row.plan} {row.interval} {row.status}" + (f", then {row.pending_plan}" if row.pending_plan else "")
            for row in Subscription.objects.order_by("is_surplus", "created_at")
        ),
        money_back=tuple(
            sorted(f"refund {row.amount_cents} {row.status}" for row in Refund.objects.all())
            + sorted(f"dispute {row.amount_cents} {row.status}" for row in Dispute.objects.all())
        ),
    )


def credits_by_source(user: Any) -> dict[str, float]:
    """What every source gave, less what was taken back for it; what was taken and given again is nothing."""
    grants = [row for row in Grant.objects.filter(account_id=user.pk) if not row.source.startswith(GIVEN_AGAIN)]
    found: dict[str, float] = {}
    months = sorted(row.source.rsplit(":", 3)[-3:] for row in grants if row.source.startswith("allowance:"))
    upgrades = [f"upgrade:{pk}" for pk in PaidInvoice.objects.order_by("upgraded_at").values_list("pk", flat=True)]
    for row in grants:
        name = row.kind
        if row.source.startswith("allowance:"):
            name = f"month {months.index(row.source.rsplit(':', 3)[-3:]) + 1}"
        elif row.source.startswith("upgrade:"):
            name = f"upgrade {upgrades.index(row.source) + 1}"
        assert name not in found, f"{name} was given twice"
        found[name] = float(row.credits - row.clawed_back)
    return found


# --- The proof ----------------------------------------------------------------------------------------------------


@pytest.fixture
def seed() -> int:
    """Printed when a test fails; the same in CHAOS_SEED brings the same orders."""
    chosen = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"CHAOS_SEED={chosen}")  # noqa: T201
    return chosen


def prove(recording: Recording, seed: int, two: ThreadPoolExecutor, limit: int | None) -> None:
    """Every order, after everything and between the steps, ends in the life's books."""
    rng = random.Random(seed)
    began_at = time.monotonic()
    count = 0
    few_between = RANDOM_ORDERS / math.factorial(min(len(recording.events), ALL_ORDERS_UP_TO))
    for order in orders(recording.events, rng, limit):
        for arrange in (all_after, between) if rng.random() < few_between else (all_after,):
            schedule = arrange(recording, order, rng)
            found = play(recording, schedule, two)
            count += 1
            if recording.life.counts_in_all:
                found, expected = in_all(found), in_all(recording.life.books)
            else:
                expected = recording.life.books
            assert found == expected, describe(recording, schedule)
    seconds = time.monotonic() - began_at
    print(f"{recording.life}: {len(recording.events)} events, {count} orders, {seconds:.0f} s")  # noqa: T201


def in_all(books: Books) -> Books:
    return replace(books, credits={"in all": sum(books.credits.values())})


def describe(recording: Recording, schedule: Schedule) -> str:
    lines = [
        f"after step {step}: " + " | ".join(" & ".join(f"{e.kind} {e.object_id}" for e in group) for group in groups)
        for step, groups in enumerate(schedule)
    ]
    return "\n".join([f"{recording.life}, delivered:", *lines])


def prove_repaired(recording: Recording) -> None:
    """Where every event was lost, one run of reconcile makes the books right, and a second finds nothing."""
    now = recording.moments[-1]
    recording.books.put_back()
    recording.stripe[-1].put_back()
    lost = services.reconcile(now=now, is_repair=True)
    do_hourly_work(now)
    assert lost.remaining == 0
    assert read_books(recording) == recording.life.books, "after reconcile --repair"
    again = services.reconcile(now=now)
    assert (again.repaired, again.remaining) == (0, 0)


GROUPS = {"purchases": PURCHASES, "plans": PLANS, "ends": ENDS, "money back": MONEY_BACK}


@pytest.mark.parametrize("group", GROUPS)
def test_ends_the_same_in_some_orders(
    group: str, record: Callable[[Life], Recording], seed: int, two: ThreadPoolExecutor
) -> None:
    """The short form: several lives share a database, which takes longer to copy than a life to play."""
    for life in GROUPS[group]:
        recording = record(life)
        assert read_books(recording) == life.books  # as it was lived
        prove(recording, seed, two, limit=FEW_ORDERS)
        prove_repaired(recording)


@pytest.mark.long
@pytest.mark.orders
@pytest.mark.parametrize("life", [life for group in GROUPS.values() for life in group], ids=str)
def test_ends_the_same_in_every_order(
    life: Life, record: Callable[[Life], Recording], seed: int, two: ThreadPoolExecutor
) -> None:
    """The long form: all orders, or two thousand."""
    prove(record(life), seed, two, limit=None)
