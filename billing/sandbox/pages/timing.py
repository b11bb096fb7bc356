"""The time by which a hosted page goes: its customer's test clock's, where they have one."""

from datetime import datetime

from billing.sandbox.services import clocks
from smartspec import clock


def now_of(object_id: str) -> datetime:
    """This will return the time by which the object that a page shows lives."""
    return clocks.time_of(object_id, now=clock.now())
