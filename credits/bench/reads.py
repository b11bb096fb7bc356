"""How long the selectors take, in this process, on one connection; calls that are compared take turns."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from credits import selectors
from credits.bench.database import execute
from credits.bench.dataset import Dataset

PAGE_LIMIT = 25
SPARSE_TYPE = "adjustment"
USAGE_DAYS = 90

RAW_USAGE = """
SELECT (created_at AT TIME ZONE 'UTC')::date, -sum(delta_credits), count(*) FROM credits_entry
 WHERE account_id = %s AND entry_type = 'usage' AND created_at >= %s GROUP BY 1 ORDER BY 1
"""


def time_in_turn(calls: list[Callable[[], Any]], *, seconds: float) -> list[float]:
    """Call each in turn, over and over; return the median milliseconds of each."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not times[0]:
        for call, found in zip(calls, times, strict=True):
            begun = time.perf_counter()
            call()
            found.append(time.perf_counter() - begun)
    return [1000 * median(found) for found in times]


def page(dataset: Dataset, number: int, entry_type: str | None = None) -> Callable[[], Any]:
    """Return a call that reads a page of the long history.

    The page must be full: a page past the end would be quick for the wrong reason.
    """
    wanted = selectors.TransactionFilter(account_id=dataset.long, entry_type=entry_type)

    def call() -> None:
        found = selectors.list_transactions(filter=wanted, limit=PAGE_LIMIT, page=number)
        if len(found.transactions) != PAGE_LIMIT:
            raise AssertionError(f"page {number} has {len(found.transactions)} entries")

    return call


def last_page(dataset: Dataset) -> int:
    """Return the number of the last full page: 40,000 of a million entries."""
    return dataset.history_entries // PAGE_LIMIT


def sparse_page(dataset: Dataset) -> int:
    """Return the filtered page that is compared with the first: 1,000, where the history is long enough."""
    return min(1000, dataset.history_entries // 20 // PAGE_LIMIT)


def usage_calls(dataset: Dataset, now: datetime) -> list[Callable[[], Any]]:
    """Return calls of the three selectors of usage over 90 days."""
    ends = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    begins = ends - timedelta(days=USAGE_DAYS)
    long = dataset.long
    return [
        lambda: selectors.usage_by_day(account_id=long, days=USAGE_DAYS, now=now),
        lambda: selectors.usage_by_model(account_id=long, days=USAGE_DAYS, now=now),
        lambda: selectors.usage_since(account_id=long, since=begins, until=ends),
    ]


def books(dataset: Dataset) -> dict[str, float]:
    """Return the seconds in which a million entries are verified, and the milliseconds until an export has rows.

    The whole ledger is verified: the long history, which has no holds, and the accounts with the holds of this run.
    """
    ((entries,),) = execute("SELECT sum(entry_count) FROM credits_account")
    begun = time.perf_counter()
    for _ in selectors.verify_ledger():
        pass
    verified = time.perf_counter()
    next(selectors.iterate_transactions(filter=selectors.TransactionFilter(account_id=dataset.long)))
    exported = time.perf_counter()
    return {"verify": (verified - begun) * 1_000_000 / int(entries), "export": 1000 * (exported - verified)}


def raw_usage_ms(dataset: Dataset, now: datetime) -> float:
    """Return the milliseconds of adding up the same 90 days, by day, from the entries.

    :raises AssertionError: the entries and the rollup disagree.
    """
    first_day = datetime.combine((now - timedelta(days=USAGE_DAYS - 1)).date(), datetime.min.time(), UTC)
    begun = time.perf_counter()
    rows = execute(RAW_USAGE, [dataset.long, first_day])
    elapsed = time.perf_counter() - begun
    ours = selectors.usage_by_day(account_id=dataset.long, days=USAGE_DAYS, now=now)
    if sum(row[1] for row in rows) != sum(day.credits for day in ours):
        raise AssertionError("the rollup disagrees with the entries")
    return 1000 * elapsed
