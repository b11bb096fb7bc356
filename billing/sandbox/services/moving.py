"""Moving time by hand on a machine of one's own: the app and the sandbox together, or one customer alone."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid
from billing.sandbox.models import ClockOffset
from billing.sandbox.services import clocks, customers, timekeeping
from smartspec import clock

Data = dict[str, Any]

LONGEST_STEP = timedelta(days=1)
CLOCK_NAME = "Moved by hand"


def read_offset() -> timedelta | None:
    """This will return how far this machine's clock was moved, or None when that cannot be read just now."""
    if connection.needs_rollback:
        return None
    try:
        # In a savepoint of its own: whoever asks for the time must not lose a transaction by it.
        with transaction.atomic():
            seconds = ClockOffset.objects.values_list("seconds", flat=True).first()
    except DatabaseError:
        return None
    return timedelta(seconds=seconds or 0)


def set_offset(offset: timedelta) -> None:
    """This will move this machine's clock; other processes notice within a second."""
    ClockOffset.objects.update_or_create(pk=1, defaults={"seconds": int(offset.total_seconds())})
    clock.forget_offset()


def advance(*, by: timedelta, after_step: Callable[[datetime], None]) -> int:
    """This will move the app and every sandbox customer forward and return how much happened by itself on the way.

    Time goes from one thing that is due to the next, at most a day at once, and `after_step` delivers webhooks and does
    the app's own work as of then.

    :raises ParameterInvalid: for a time that is not later.
    """
    if by <= timedelta(0):
        raise ParameterInvalid("days", "Time can only be advanced forward.")
    start, moved = clock.now(), read_offset() or timedelta(0)
    played = 0
    for moment, is_due in _steps(start, start + by):
        set_offset(moved + (moment - start))
        if is_due:
            _let_others_notice()
            played += timekeeping.pass_time(now=moment)
        after_step(moment)
    for test_clock in store.find(clocks.KIND):
        if test_clock["name"] == CLOCK_NAME:
            played += clocks.move(test_clock["id"], by=by, now=clock.now())
            after_step(clock.now())
    return played


def advance_customer(customer_id: str, *, by: timedelta, after_step: Callable[[datetime], None]) -> int:
    """This will move one customer's time forward, by a clock of their own, and return how much happened.

    :raises ResourceMissing: for an unknown customer.
    :raises ParameterInvalid: for a time that is not later.
    """
    if by <= timedelta(0):
        raise ParameterInvalid("days", "Time can only be advanced forward.")
    now = clock.now()
    clock_id = customers.ensure_own_clock(customer_id, name=CLOCK_NAME, now=now)
    played = clocks.move(clock_id, by=by, now=now)
    after_step(clock.now())
    return played


def _steps(start: datetime, end: datetime) -> Iterator[tuple[datetime, bool]]:
    """Yield the moments to stop at, and whether something is due then; what is due changes on the way."""
    moment = start
    while True:
        furthest = min(moment + LONGEST_STEP, end)
        due_at = timekeeping.find_next_moment(until=furthest)
        moment = furthest if due_at is None else max(due_at, moment)
        yield moment, due_at is not None
        if moment >= end and timekeeping.find_next_moment(until=end) is None:
            return


def _let_others_notice() -> None:
    """Wait until a worker beside this process knows the new time, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM procrastinate_workers WHERE last_heartbeat > now() - interval '30 seconds'")
        if cursor.fetchone():
            time.sleep(clock.OFFSET_KNOWN_FOR_SECONDS + 0.1)
