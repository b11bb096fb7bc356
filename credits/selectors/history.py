"""Entries: pages, filters, search, summaries, and the whole history as a stream.

Entries are numbered, and numbered again inside their type, in order of time. So a page, a total and a span of time are
arithmetic on numbers, and page 40,000 costs what page 1 costs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from credits.models import Entry, EntryTotal
from credits.selectors.search import Search

EXPORT_CHUNK = 1000


@dataclass(frozen=True)
class TransactionFilter:
    """Which entries of an account: of a type, from a time (inclusive) to a time (exclusive), matching a search."""

    account_id: UUID
    entry_type: str | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    search: str = ""


@dataclass(frozen=True)
class TransactionPage:
    """One page of entries, newest first. `total` is exact without search, at most 10,000 with it."""

    transactions: list[Entry]
    total: int
    pages: int
    page: int
    limit: int
    next_cursor: str | None


@dataclass(frozen=True)
class TypeSummary:
    """How many entries of a type there were, their signed sum, and the sum of those that gave."""

    entry_type: str
    total: Decimal
    count: int
    came_in: Decimal

    @property
    def went_out(self) -> Decimal:
        return self.total - self.came_in


def list_transactions(
    *, filter: TransactionFilter, limit: int, page: int = 1, cursor: str | None = None
) -> TransactionPage:
    """Return one page, by its number (from 1) or by the cursor that the page before it gave.

    A cursor that is not one of ours begins at the first page.
    """
    low, high = _span(filter)
    top = _position(cursor)
    if filter.search:
        return _search_page(filter, low, high, limit, page, top)
    total = max(high - low, 0)
    if top is None:
        top = high - (page - 1) * limit
    else:
        top = min(top, high)
        page = (high - top) // limit + 1
    bottom = max(top - limit, low)
    # The limit changes no answer. It tells the planner that few rows come: most accounts have low numbers alone, so it
    # would expect the last page of a long history to be a large share of the table, and read all of it.
    entries = list(_between(filter, bottom, top)[:limit]) if top > low else []
    return TransactionPage(entries, total, -(-total // limit), page, limit, str(bottom) if bottom > low else None)


def newest_transactions(*, account_id: UUID, limit: int) -> list[Entry]:
    """Return an account's newest entries, newest first, in one query: nothing is counted."""
    return list(Entry.objects.filter(account_id=account_id).order_by("-number")[:limit])


def iterate_transactions(*, filter: TransactionFilter) -> Iterator[Entry]:
    """Yield every entry, newest first, in constant memory: a short query per thousand, no cursor held open."""
    low, top = _span(filter)
    while top > low:
        bottom = max(top - EXPORT_CHUNK, low)
        chunk = _between(filter, bottom, top)
        yield from (_search(filter, bottom, top).narrow(chunk) if filter.search else chunk)[:EXPORT_CHUNK]
        top = bottom


def summarise_transactions(
    *, account_id: UUID, date_from: datetime | None = None, date_to: datetime | None = None
) -> list[TypeSummary]:
    """Return count and sum of every type of which there are entries in a span, by name of the type."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.entry_type, sums.total, s.high - s.low,
                   -- The others are of one sign (credits_entry_sign_fits_type). These have an index of their own.
                   CASE WHEN t.entry_type NOT IN ('adjustment', 'clawback') THEN greatest(sums.total, 0) ELSE (
                     SELECT coalesce(sum(e.delta_credits), 0) FROM credits_entry e
                      WHERE e.account_id = t.account_id AND e.entry_type = t.entry_type
                        AND e.entry_type IN ('adjustment', 'clawback')
                        AND e.type_number > s.low AND e.type_number <= s.high AND e.delta_credits > 0) END
              FROM credits_entrytotal t
             CROSS JOIN LATERAL (SELECT
                 CASE WHEN %(from)s::timestamptz IS NULL THEN 0
                      ELSE credits_find_entry(t.account_id, %(from)s, t.entry_type) END AS low,
                 CASE WHEN %(to)s::timestamptz IS NULL THEN t.entries
                      ELSE credits_find_entry(t.account_id, %(to)s, t.entry_type) END AS high) s
              LEFT JOIN credits_entry a
                ON (a.account_id, a.entry_type, a.type_number) = (t.account_id, t.entry_type, s.low)
              LEFT JOIN credits_entry b
                ON (b.account_id, b.entry_type, b.type_number) = (t.account_id, t.entry_type, s.high)
             CROSS JOIN LATERAL (
                SELECT coalesce(b.type_credits_after, 0) - coalesce(a.type_credits_after, 0) AS total) sums
             WHERE t.account_id = %(account)s AND s.high > s.low ORDER BY t.entry_type
            """,
            {"account": account_id, "from": date_from, "to": date_to},
        )
        return [TypeSummary(*row) for row in cursor.fetchall()]


def _span(filter: TransactionFilter) -> tuple[int, int]:
    """Return the numbers (inside the type, if one is given) that the entries lie above, and up to."""
    low = 0 if filter.date_from is None else _find(filter, filter.date_from)
    if filter.date_to is not None:
        return low, _find(filter, filter.date_to)
    if filter.entry_type is None:
        last = Entry.objects.filter(account_id=filter.account_id).order_by("-number").values_list("number").first()
    else:
        last = (
            EntryTotal.objects.filter(account_id=filter.account_id, entry_type=filter.entry_type)
            .values_list("entries")
            .first()
        )
    return low, last[0] if last else 0


def _find(filter: TransactionFilter, before: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_find_entry(%s, %s, %s)", [filter.account_id, before, filter.entry_type])
        (number,) = cursor.fetchone()
    return int(number or 0)


def _between(filter: TransactionFilter, bottom: int, top: int) -> QuerySet[Entry]:
    """Return entries above `bottom` up to `top`, newest first."""
    entries = Entry.objects.filter(account_id=filter.account_id)
    if filter.entry_type is None:
        return entries.filter(number__gt=bottom, number__lte=top).order_by("-number")
    return entries.filter(entry_type=filter.entry_type, type_number__gt=bottom, type_number__lte=top).order_by(
        "-type_number"
    )


def _position(cursor: str | None) -> int | None:
    return int(cursor) if cursor and re.fullmatch(r"[0-9]{1,18}", cursor) else None


# --- Search -------------------------------------------------------------------------------------------------------


def _search(filter: TransactionFilter, low: int, high: int) -> Search:
    return Search(filter.account_id, filter.search, filter.entry_type, low, high)


def _search_page(
    filter: TransactionFilter, low: int, high: int, limit: int, page: int, top: int | None
) -> TransactionPage:
    search = _search(filter, low, high)
    numbers = search.find()
    start = (page - 1) * limit
    if top is not None:
        start = next((index for index, number in enumerate(numbers) if number <= top), len(numbers))
        page = start // limit + 1
    wanted = numbers[start : start + limit]
    entries = _between(filter, low, high).filter(**{f"{search.number_field}__in": wanted})
    more = numbers[start + limit] if start + limit < len(numbers) else None
    total = len(numbers)
    return TransactionPage(list(entries), total, -(-total // limit), page, limit, None if more is None else str(more))
