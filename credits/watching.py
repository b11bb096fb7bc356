"""What the ledger gives operators to watch: books, sweeper, functions, their caller's role, what is outstanding."""

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


@watching.condition
def ledger_role(now: datetime) -> Condition:
    """What a migration made, or a restore forgot, is not yet granted to the role that web and worker run under."""
    roles = selectors.list_ledger_roles()
    wrong = [role for role in roles if role.faults]
    names = ", ".join(role.name for role in roles)
    detail = f"{names} may read and call, and nothing else" if roles else "the server owns the ledger's tables"
    if wrong:
        more = f", and {len(wrong[0].faults) - 1} faults more" if wrong[0].faults[1:] else ""
        detail = f"{wrong[0].name} {wrong[0].faults[0]}{more}"
    commands = " and ".join(f"manage.py grant_ledger_role {role.name}" for role in wrong)
    return Condition("ledger_role", holds=not wrong, detail=detail, remedy=f"As the tables' owner: {commands}")


@watching.condition
def ledger_functions(now: datetime) -> Condition:
    """The rules are in the database, and another version of them than this code's may be there."""
    other = selectors.list_other_functions()
    detail = "the database has this version's functions"
    if other:
        more = f", and {len(other) - 1} functions more" if other[1:] else ""
        detail = f"{other[0]} is missing, or not this version's{more}"
    remedy = "manage.py migrate. If that has nothing to do, a file of credits/sql was changed without a migration."
    return Condition("ledger_functions", holds=not other, detail=detail, remedy=remedy)


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
