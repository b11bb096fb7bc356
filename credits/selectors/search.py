"""Search in a history: which entries match, newest first, at most 10,000 of them.

An account's first 10,000 entries are read through; what comes after them is indexed (`sql/search.sql`). A term that
matches much of a long history is found by reading it from the newest entry on, until there are enough.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Func, Q, QuerySet, TextField, Value

from credits import ids
from credits.models import Entry, Hold

MAXIMUM_SEARCH_TOTAL = 10_000
INDEXED_FROM = 10_000  # the indexes of search hold the entries above this number
READ_FIRST = 2_000  # the newest entries, read before any index is asked
DENSE = 10  # one match in so many of them: reading on finds enough sooner than an index, which would find too many
READ_AT_ONCE = 20_000
# So many matches of one kind in an index are too many to sort; then they are dense enough to meet them by reading.
LARGEST_LOOK_UP = 50_000
LARGEST_NUMBER = 2**63 - 1

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
        middle = max(self.low, self.high - READ_FIRST)
        newest = self._read(middle, self.high)
        if middle == self.low:
            return newest
        is_dense = len(newest) * DENSE >= READ_FIRST
        if is_dense or (self.entry_type is not None and middle - self.low <= LARGEST_LOOK_UP):
            older: Iterable[int] | None = None  # the indexes do not know the type: reading so few is as fast
        else:
            older = self._look_up(middle)
        if older is None:
            older = self._read_on(middle, MAXIMUM_SEARCH_TOTAL - len(newest))
        return (newest + sorted(older, reverse=True))[:MAXIMUM_SEARCH_TOTAL]

    def matches(self) -> Q:
        """Match ids, references and models from their start, and whole words of the description."""
        # Taking a text apart into words is dear, so it is done only where the term's words occur at all.
        words = Q(words=SearchQuery(self.term, config="simple"))
        for word in re.findall(r"\w+", self.term):
            words &= Q(description__icontains=word)
        return self._reference() | self._model() | self._numbers() | words

    def narrow(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Return those of some entries of the account that match."""
        return entries.alias(words=SearchVector("description", config="simple")).filter(self.matches())

    def _between(self, low: int, high: int) -> QuerySet[Entry]:
        entries = Entry.objects.filter(account_id=self.account_id)
        if self.entry_type is not None:
            entries = entries.filter(entry_type=self.entry_type)
        return entries.filter(**{f"{self.number_field}__gt": low, f"{self.number_field}__lte": high})

    def _read(self, low: int, high: int) -> list[int]:
        entries = self.narrow(self._between(low, high)).order_by(f"-{self.number_field}")
        return list(entries.values_list(self.number_field, flat=True)[:MAXIMUM_SEARCH_TOTAL])

    def _read_on(self, high: int, enough: int) -> list[int]:
        """Read back from a number, span by span, until enough is found: a short span is always read by its key."""
        found: list[int] = []
        while high > self.low and len(found) < enough:
            bottom = max(self.low, high - READ_AT_ONCE)
            found += self._read(bottom, high)
            high = bottom
        return found

    def _look_up(self, high: int) -> set[int] | None:
        """Return what matches up to a number, by index; None when that is too much."""
        entries = self._between(self.low, high)
        indexed = entries.filter(number__gt=INDEXED_FROM)
        first = self._between(self.low, min(high, INDEXED_FROM)).filter(number__lte=INDEXED_FROM)
        kinds = [
            self.narrow(first),
            indexed.filter(self._reference()).exclude(reference_id=""),
            indexed.filter(self._model()).exclude(model_id=""),
        ]
        if re.search(r"[^\W_]", self.term):
            kinds.append(self._by_words(indexed))
        if ranges := self._ranges(ids.ENTRY_PREFIX):
            kinds.append(entries.filter(_in_ranges("number", ranges)))
        if ranges := self._ranges(ids.HOLD_PREFIX):
            holds = Hold.objects.filter(_in_ranges("number", ranges), account_id=self.account_id)
            finished = list(holds.values_list("capture_entry", "refund_entry")[:LARGEST_LOOK_UP])
            if len(finished) == LARGEST_LOOK_UP:
                return None
            written = {number for pair in finished for number in pair if number is not None}
            kinds.append(entries.filter(number__in=written))
        found: set[int] = set()
        for kind in kinds:
            numbers = list(kind.values_list(self.number_field, flat=True)[:LARGEST_LOOK_UP])
            found.update(numbers)
            if len(numbers) == LARGEST_LOOK_UP:
                return None
        return found

    def _by_words(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        texts = ArrayField(TextField())
        wanted = Func(Value(self.account_id), Value(self.term), function="credits_entry_words", output_field=texts)
        return entries.alias(
            own_words=Func("account_id", "description", function="credits_entry_words", output_field=texts)
        ).filter(own_words__contains=wanted)

    def _reference(self) -> Q:
        return Q(reference_id__istartswith=self.term)

    def _model(self) -> Q:
        return Q(model_id__istartswith=self.term)

    def _numbers(self) -> Q:
        return _in_ranges("number", self._ranges(ids.ENTRY_PREFIX)) | _in_ranges(
            "hold_number", self._ranges(ids.HOLD_PREFIX)
        )

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


def _in_ranges(field: str, ranges: list[Range]) -> Q:
    matches = Q(pk__in=[])
    for first, end in ranges:
        matches |= Q(**{f"{field}__gte": first, f"{field}__lt": end})
    return matches
