"""What the ledger gives operators to watch: that its books add up, that its sweeper sweeps, what is outstanding."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from credits import selectors
from smartspec import watching
from smartspec.watching import Condition, Gauge
from smartspec.watching import selectors as watching_selectors

VERIFIED_WITHIN = timedelta(days=2)
SWEPT_WITHIN = timedelta(minutes=10)


@watching.condition
def ledger_verified(now: datetime) -> Condition:
    return watching_selectors.proof(
        name="ledger_verified",
        now=now,
        within=VERIFIED_WITHIN,
        remedy="manage.py verify_ledger names the first fault of each kind; docs/operations.md says how to go on.",
    )


@watching.condition
def ledger_swept(now: datetime) -> Condition:
    """Nobody can spend what is due to end; but users should read it where it happened."""
    late = bool(selectors.list_due(now=now - SWEPT_WITHIN, limit=1))
    return Condition(
        "ledger_swept",
        holds=not late,
        detail="holds or credits ended ten minutes ago and were not booked" if late else "what has ended is booked",
        remedy="See that the worker runs, or manage.py expire_credits.",
    )


@watching.gauges
def outstanding(now: datetime) -> Iterable[Gauge]:
    standing = selectors.get_standing()
    yield Gauge(
        "smartspec_credits",
        "Credits of all accounts at the last count.",
        {
            ("available",): float(standing.available),
            ("held",): float(standing.held),
            ("debt",): float(standing.debt),
        },
        ("part",),
    )
