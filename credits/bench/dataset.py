"""What the bench's database holds: accounts with three open lots each, and one account with a very long history.

Loaded by COPY, with the numbers that the ledger itself would have written; the long history alone has no holds.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from credits.bench.database import execute
from credits.periods import period_at
from smartspec.users.models import User

LOT_CREDITS = 1_000_000_000  # never used up, so that the last round does what the first did
LOT_KINDS = ("subscription", "bonus", "purchase")
HISTORY_DAYS = 180
HISTORY_MODELS = ("flux-pro", "kling-2", "sora-2", "eleven-3", "imagen-4")
SPARSE_EVERY = 20  # every 20th entry of the long history is an adjustment, the rest is usage
CHUNK_ROWS = 20_000
PLAN = "pro"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Dataset:
    """The accounts of the bench, by number; an account's id is the MD5 of its number, as any client can tell."""

    accounts: int
    history_entries: int

    @property
    def hot(self) -> UUID:
        """The one account that many clients call at once."""
        return account_id(self.accounts + 1)

    @property
    def long(self) -> UUID:
        """The account with the long history."""
        return account_id(self.accounts + 2)

    @property
    def new(self) -> UUID:
        """A user without any entry."""
        return account_id(self.accounts + 3)


def account_id(number: int) -> UUID:
    """Return the id of a numbered account: in SQL `md5(number::text)::uuid`."""
    return UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest())


def load(dataset: Dataset, *, now: datetime, progress: Progress) -> None:
    """Fill the bench's database."""
    opened_at = now - timedelta(days=1)
    begun_at = now - timedelta(days=HISTORY_DAYS)
    numbers = range(1, dataset.accounts + 2)
    ids = [account_id(number) for number in numbers]
    _make_users([*ids, dataset.long, dataset.new], begun_at)
    progress(f"made {len(ids) + 2:,} users")
    spent = dataset.history_entries - len(LOT_KINDS)
    period = period_at(begun_at, now)
    times = _times(dataset.history_entries, begun_at, now)
    in_period = sum(
        1 for number, at in enumerate(times, 1) if at >= period.start_at and _history_type(number) == "usage"
    )
    account_columns = (
        "account_id,available,held,debt,entry_count,hold_count,head_grant,next_due_at,last_entry_at,frozen_causes,plan,"
        "plan_source,anchor_at,period_start_at,period_end_at,period_used,opened_at"
    )
    own_period = period_at(opened_at, now)
    total = LOT_CREDITS * len(LOT_KINDS)
    rows = [
        (
            one,
            total,
            0,
            0,
            3,
            0,
            1,
            own_period.end_at,
            opened_at,
            "{}",
            PLAN,
            "bench",
            opened_at,
            own_period.start_at,
            own_period.end_at,
            0,
            opened_at,
        )
        for one in ids
    ]
    rows.append(
        (
            dataset.long,
            total - spent,
            0,
            0,
            dataset.history_entries,
            0,
            1,
            period.end_at,
            times[-1],
            "{}",
            PLAN,
            "bench",
            begun_at,
            period.start_at,
            period.end_at,
            in_period,
            begun_at,
        )
    )
    _copy("credits_account", account_columns, rows, progress)
    _copy(
        "credits_grant",
        "account_id,number,kind,source,credits,remaining,repaid,expired,clawed_back,priority,is_paid,is_open,effective_at,expires_at",
        _grants([*((one, opened_at) for one in ids), (dataset.long, begun_at)], dataset, spent, now),
        progress,
    )
    entry_columns = (
        "account_id,number,entry_type,delta_credits,balance_after,type_number,type_credits_after,reference_type,"
        "reference_id,model_id,description,created_at"
    )
    _copy(
        "credits_entry",
        entry_columns,
        _first_entries([*((one, opened_at) for one in ids), (dataset.long, begun_at)]),
        progress,
    )
    _copy("credits_entry", entry_columns, _history(dataset, times), progress, expected=spent)
    _count(dataset)
    progress("analysing")
    execute("VACUUM (ANALYZE)")
    execute("CHECKPOINT")


def _times(entries: int, begun_at: datetime, now: datetime) -> list[datetime]:
    step = (now - begun_at) / (entries + 1)
    return [begun_at + step * number for number in range(entries)]


def _history_type(number: int) -> str:
    return "adjustment" if number % SPARSE_EVERY == 0 else "usage"


def _make_users(ids: Iterable[UUID], at: datetime) -> None:
    users = (User(pk=one, password="!", email=f"{one}@bench.test", created_at=at) for one in ids)  # noqa: S106
    User.objects.bulk_create(users, batch_size=5000)


def _grants(
    accounts: Iterable[tuple[UUID, datetime]], dataset: Dataset, spent: int, now: datetime
) -> Iterator[tuple[object, ...]]:
    for one, at in accounts:
        taken = spent if one == dataset.long else 0
        for number, kind in enumerate(LOT_KINDS, 1):
            # In burn order: the allowance ends first, the bonus later, what was bought never.
            end_at = now + timedelta(days=40 * number) if kind != "purchase" else None
            yield (
                one,
                number,
                kind,
                f"{kind}:bench",
                LOT_CREDITS,
                LOT_CREDITS - (taken if number == 1 else 0),
                0,
                0,
                0,
                100,
                kind == "purchase",
                "t",
                at,
                end_at,
            )


def _first_entries(accounts: Iterable[tuple[UUID, datetime]]) -> Iterator[tuple[object, ...]]:
    for one, at in accounts:
        for number, kind in enumerate(LOT_KINDS, 1):
            yield one, number, kind, LOT_CREDITS, LOT_CREDITS * number, 1, LOT_CREDITS, "", "", "", "", at


def _history(dataset: Dataset, times: list[datetime]) -> Iterator[tuple[object, ...]]:
    balance = LOT_CREDITS * len(LOT_KINDS)
    counts = {"usage": 0, "adjustment": 0}
    for number in range(len(LOT_KINDS) + 1, dataset.history_entries + 1):
        kind = _history_type(number)
        counts[kind] += 1
        balance -= 1
        model = HISTORY_MODELS[number % len(HISTORY_MODELS)] if kind == "usage" else ""
        yield (
            dataset.long,
            number,
            kind,
            -1,
            balance,
            counts[kind],
            -counts[kind],
            "image_generation",
            f"job-{number}",
            model,
            "Image generation",
            times[number - 1],
        )


def _count(dataset: Dataset) -> None:
    """Write the counters that the ledger keeps beside its entries."""
    execute(
        "INSERT INTO credits_entrytotal (account_id, entry_type, entries, credits)"
        " SELECT account_id, entry_type, count(*), sum(delta_credits) FROM credits_entry GROUP BY 1, 2"
    )
    execute(
        "INSERT INTO credits_usageday (account_id, day_date, operation, model_id, captures, credits)"
        " SELECT account_id, (created_at AT TIME ZONE 'UTC')::date, reference_type, model_id, count(*),"
        " -sum(delta_credits) FROM credits_entry WHERE entry_type = 'usage' GROUP BY 1, 2, 3, 4"
    )


def _copy(
    table: str, columns: str, rows: Iterable[tuple[object, ...]], progress: Progress, expected: int | None = None
) -> None:
    loaded = 0
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        lines = io.StringIO()
        for loaded, row in enumerate(rows, 1):
            lines.write("\t".join(_text(value) for value in row) + "\n")
            if loaded % CHUNK_ROWS == 0:
                copy.write(lines.getvalue())
                lines = io.StringIO()
                progress(f"loading {table}: {loaded:,} rows" + (f" of {expected:,}" if expected else ""))
        copy.write(lines.getvalue())
    progress(f"loaded {table}: {loaded:,} rows")


def _text(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "t" if value is True else "f" if value is False else str(value)
