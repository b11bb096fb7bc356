"""Many rows, page by page, so that a long table costs no memory.

A cursor of the server's would not survive a PgBouncer, and without one Django's `iterator` reads all rows at once.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet

PAGE_ROWS = 500


def in_pages(rows: QuerySet[Any, Any]) -> Iterator[Any]:
    """Yield rows in their order, ascending, of fields that together are unique and never null; else by their key.

    Rows are models or, with `values_list(…, named=True)`, tuples that hold these fields.
    """
    names = [str(name) for name in rows.query.order_by] or ["pk"]
    rows = rows.order_by(*names)
    page = list(rows[:PAGE_ROWS])
    while page:
        yield from page
        page = list(rows.filter(comes_after(page[-1], names))[:PAGE_ROWS]) if len(page) == PAGE_ROWS else []


def comes_after(row: Any, names: Sequence[str]) -> Q:
    """Return the condition of rows that come after this one, in words that an index on these fields can follow."""
    first, *rest = names
    value = getattr(row, first)
    later = Q(**{f"{first}__gt": value})
    return Q(**{f"{first}__gte": value}) & (later | comes_after(row, rest)) if rest else later
