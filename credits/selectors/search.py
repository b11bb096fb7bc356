"""Search in a history: which entries match, newest first, at most 10,000 of them.

An account's first 1,000 entries and its newest 500 are read through; what lies between is indexed (`sql/search.sql`). A
term that matches much of a long history is found by reading it from the newest entry on, until there are enough. Each
is one statement, so that a page makes no more of them for a long history than for a short one.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import connection
from django.db.models import Q, QuerySet

from credits import ids
from credits.models import Entry, EntryType

MAXIMUM_SEARCH_TOTAL = 10_000
INDEXED_FROM = 1_000  # the indexes of search hold the entries above this number
READ_FIRST = 500  # the newest entries, read before any index is asked
DENSE = 10  # one match in so many of them: reading on finds enough sooner than an index, which would find too many
READ_AT_ONCE = 20_000
# So many matches of one kind in an index are too many to sort; then they are dense enough to meet them by reading.
LARGEST_LOOK_UP = 50_000
SHORT = 5_000  # so many entries of a type are read as fast as found by indexes, which do not know the type
LARGEST_NUMBER = 2**63 - 1
TYPES_WITH_MODELS = (None, EntryType.USAGE, EntryType.REFUND)

# The entries of a span that match, each with whether it does by its model alone. A model or a description stands in
# many entries, and taking a text apart into words is dear: so each is looked at once. OFFSET 0 keeps the planner from
# looking at all of them before it finds out which are the same.
READ = """
WITH span AS MATERIALIZED (
  SELECT {n} AS n, number, hold_number, reference_id, model_id, description FROM credits_entry
   WHERE account_id = %(account)s {of_type} AND {n} > %(low)s AND {n} <= %(high)s AND number <= %(last)s
   ORDER BY {n} DESC LIMIT %(high)s - %(low)s),
models AS MATERIALIZED (
  SELECT model_id FROM (SELECT DISTINCT model_id FROM span OFFSET 0) every
   WHERE upper(model_id) LIKE upper(%(start)s)),
texts AS MATERIALIZED (
  SELECT description FROM (SELECT DISTINCT description FROM span OFFSET 0) every
   WHERE description ILIKE ALL (%(parts)s::text[])
     AND to_tsvector('simple'::regconfig, description) @@ plainto_tsquery('simple'::regconfig, %(term)s)),
told AS (
  SELECT n, model_id IN (SELECT model_id FROM models) AS by_model,
         description IN (SELECT description FROM texts)
           OR upper(left(reference_id, length(%(term)s))) = upper(%(term)s)
           OR number <@ %(entries)s::int8multirange
           OR coalesce(hold_number <@ %(holds)s::int8multirange, false) AS by_other
    FROM span)
SELECT n, NOT by_other FROM told WHERE by_model OR by_other
"""

# The entries of a span that match by an index, kind by kind, none of more than %(most)s. Of a model the newest 10,000
# are enough; which models there are is read from the index by leaps, from each to the next.
LOOK_UP = """
(SELECT 'reference', {n} FROM credits_entry WHERE {inside} AND number > %(first)s AND reference_id <> ''
    AND upper(reference_id::text) LIKE upper(%(start)s) LIMIT %(most)s)
UNION ALL
(SELECT 'words', {n} FROM credits_entry WHERE %(has_words)s AND {inside} AND number > %(first)s
    AND credits_entry_words(account_id, description) @> credits_entry_words(%(account)s, %(term)s) LIMIT %(most)s)
UNION ALL
(WITH RECURSIVE known(model) AS (
   (SELECT model_id FROM credits_entry WHERE %(has_models)s AND account_id = %(account)s AND number > %(first)s
       AND model_id <> '' ORDER BY model_id LIMIT 1)
   UNION ALL
   SELECT (SELECT model_id FROM credits_entry WHERE account_id = %(account)s AND number > %(first)s AND model_id <> ''
              AND model_id > model ORDER BY model_id LIMIT 1) FROM known WHERE model IS NOT NULL)
 SELECT 'model', e.n FROM known CROSS JOIN LATERAL (
    SELECT {n} AS n FROM credits_entry WHERE {inside} AND number > %(first)s AND model_id <> '' AND model_id = model
     ORDER BY number DESC LIMIT %(enough)s) e
  WHERE upper(model) LIKE upper(%(start)s))
UNION ALL
(SELECT 'entry', e.n FROM unnest(%(entries)s::int8multirange) r CROSS JOIN LATERAL (SELECT {n} AS n FROM credits_entry
    WHERE {inside} AND number >= lower(r) AND number < upper(r) LIMIT %(most)s) e)
UNION ALL
(SELECT 'hold', {n} FROM credits_entry WHERE {inside} AND number IN (
    SELECT unnest(ARRAY[h.capture_entry, h.refund_entry]) FROM unnest(%(holds)s::int8multirange) r
      JOIN credits_hold h ON h.account_id = %(account)s AND h.number >= lower(r) AND h.number < upper(r)
     LIMIT %(most)s) LIMIT %(most)s)
"""

Range = tuple[int, int]


@dataclass(frozen=True)
class Search:
    """A term in the entries of an account, all or of one type, numbered (inside the type) above `low` up to `high`."""

    account_id: UUID
    term: str
    entry_type: str | None
    low: int
    high: int

    @property
    def number_field(self) -> str:
        return "number" if self.entry_type is None else "type_number"

    def find(self) -> list[int]:
        """Return the numbers (inside the type, if one is given) of what matches, newest first, at most 10,000."""
        if self.high <= self.low:
            return []
        middle = max(self.low, self.high - READ_FIRST)
        newest = self._read(middle, self.high)
        older: set[int] | None = set()
        if middle > self.low:
            # A model's entries are in order in their index, so that many of them are no trouble.
            is_dense = sum(not by_model_alone for by_model_alone in newest.values()) * DENSE >= READ_FIRST
            is_short = self.entry_type is not None and middle - self.low <= SHORT
            older = None if is_dense or is_short else self._look_up(middle)
        if older is None:
            enough = MAXIMUM_SEARCH_TOTAL - len(newest)
            expected = (
                enough * READ_FIRST // max(len(newest), 1) * 11 // 10
            )  # as dense as the newest, and a little more
            older = self._read_on(middle, enough, at_once=min(expected, READ_AT_ONCE))
        return sorted({*newest, *older}, reverse=True)[:MAXIMUM_SEARCH_TOTAL]

    def narrow(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Return those of some entries of the account that match, as `find` does.

        They do by ids, references and models from their start, and by whole words of the description.
        """
        # Taking a text apart into words is dear, so it is done only where the term's words occur at all.
        words = Q(words=SearchQuery(self.term, config="simple"))
        for word in self._words():
            words &= Q(description__icontains=word)
        starts = Q(reference_id__istartswith=self.term) | Q(model_id__istartswith=self.term)
        numbers = _in_ranges("number", self._ranges(ids.ENTRY_PREFIX)) | _in_ranges(
            "hold_number", self._ranges(ids.HOLD_PREFIX)
        )
        return entries.alias(words=SearchVector("description", config="simple")).filter(starts | numbers | words)

    def _read(self, low: int, high: int, *, last: int = LARGEST_NUMBER) -> dict[int, bool]:
        """Return what matches in a span, up to the entry numbered `last`, and whether it does by its model alone."""
        return dict(self._ask(READ, low, high, last=last))

    def _read_on(self, high: int, enough: int, *, at_once: int) -> set[int]:
        """Read back from a number, span by span, until enough is found: a short span is always read by its key."""
        found: set[int] = set()
        while high > self.low and len(found) < enough:
            bottom = max(self.low, high - at_once)
            found.update(self._read(bottom, high))
            high = bottom
        return found

    def _look_up(self, high: int) -> set[int] | None:
        """Return what matches up to a number, by index; None when that is too much."""
        found = self._ask(LOOK_UP, self.low, high)
        kinds = [kind for kind, _ in found]
        if any(kinds.count(kind) >= LARGEST_LOOK_UP for kind in {*kinds} - {"model"}):
            return None
        # A number inside the type is never larger than the number itself.
        first = self._read(self.low, min(high, INDEXED_FROM), last=INDEXED_FROM) if self.low < INDEXED_FROM else {}
        return {number for _, number in found} | set(first)

    def _ask(self, statement: str, low: int, high: int, *, last: int = LARGEST_NUMBER) -> list[tuple[Any, Any]]:
        of_type = "" if self.entry_type is None else "AND entry_type = %(type)s"
        n = self.number_field
        inside = f"account_id = %(account)s {of_type} AND {n} > %(low)s AND {n} <= %(high)s"
        with connection.cursor() as cursor:
            cursor.execute(
                statement.format(n=n, of_type=of_type, inside=inside),
                {
                    "account": self.account_id,
                    "type": self.entry_type,
                    "low": low,
                    "high": high,
                    "last": last,
                    "first": INDEXED_FROM,
                    "most": LARGEST_LOOK_UP,
                    "enough": MAXIMUM_SEARCH_TOTAL,
                    "term": self.term,
                    "start": f"{connection.ops.prep_for_like_query(self.term)}%",
                    "parts": [f"%{connection.ops.prep_for_like_query(word)}%" for word in self._words()],
                    "has_words": bool(re.search(r"[^\W_]", self.term)),
                    "has_models": self.entry_type in TYPES_WITH_MODELS,
                    "entries": _multirange(self._ranges(ids.ENTRY_PREFIX)),
                    "holds": _multirange(self._ranges(ids.HOLD_PREFIX)),
                },
            )
            found: list[tuple[Any, Any]] = cursor.fetchall()
        return found

    def _words(self) -> list[str]:
        return re.findall(r"\w+", self.term)

    def _ranges(self, prefix: str) -> list[Range]:
        """Return the ranges of numbers whose public id begins with the term: an id ends in its number."""
        start = prefix + ids.account_part(self.account_id)
        if start.startswith(self.term):
            return [(1, LARGEST_NUMBER)]
        digits = self.term[len(start) :]
        if not self.term.startswith(start) or re.fullmatch(r"[1-9][0-9]{0,17}", digits) is None:
            return []
        number = int(digits)
        return [(number * 10**power, (number + 1) * 10**power) for power in range(19 - len(digits))]


def _multirange(ranges: list[Range]) -> str:
    """Return ranges as Postgres writes them."""
    return "{" + ",".join(f"[{first},{end})" for first, end in ranges) + "}"


def _in_ranges(field: str, ranges: list[Range]) -> Q:
    matches = Q(pk__in=[])
    for first, end in ranges:
        matches |= Q(**{f"{field}__gte": first, f"{field}__lt": end})
    return matches
