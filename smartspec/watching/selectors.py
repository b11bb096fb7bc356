"""Looking at every condition now."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import DatabaseError

from smartspec.logs import get_logger
from smartspec.watching.models import Proof
from smartspec.watching.words import Condition, Gauge, all_conditions, all_gauges

log = get_logger(__name__)


def look(*, now: datetime) -> list[Condition]:
    """Return every condition as it is now, in the order of their names. One that cannot be looked at does not hold."""
    return [look_at(name, now=now) for name in sorted(all_conditions())]


def look_at(name: str, *, now: datetime) -> Condition:
    """Return one condition as it is now."""
    try:
        return all_conditions()[name](now)
    except Exception as error:  # whatever it is, the others must still be seen
        log.exception("A condition could not be looked at", condition=name)
        return Condition(
            name, holds=False, detail=f"could not be looked at: {type(error).__name__}", remedy="Read the log."
        )


def broken_database(error: DatabaseError, what: str) -> Condition:
    """Return the condition that stands for all others while the database answers with an error."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return Condition(
        "database",
        holds=False,
        detail=f"{what}: {said[0]}",
        remedy="Is Postgres running, is its disk full, is DATABASE_URL right?",
    )


def proof(*, name: str, now: datetime, within: timedelta, remedy: str, is_due_at_once: bool = False) -> Condition:
    """Return a condition from the last result of a slow proof; a result older than `within` does not hold.

    What the worker proves comes within the day that a database is made, so no result yet is none to worry about; one
    that is due at once is a person's to begin.
    """
    found = Proof.objects.filter(pk=name).first()
    if found is None:
        return Condition(name, holds=not is_due_at_once, detail="not done yet", remedy=remedy)
    detail = f"{found.detail} ({found.checked_at:%Y-%m-%d %H:%M} UTC)"
    if now - found.checked_at > within:
        return Condition(name, holds=False, detail=f"last done too long ago: {detail}", remedy=remedy)
    return Condition(name, holds=found.holds, detail=detail, remedy=remedy)


def read_gauges(*, now: datetime) -> Iterable[Gauge]:
    """Yield every figure as it is now; what the database cannot tell at the moment is left out and logged."""
    for name, read in sorted(all_gauges().items()):
        try:
            yield from read(now)
        except DatabaseError:
            log.exception("Figures could not be read", reader=name)
