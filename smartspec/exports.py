"""Rows as a file, written line by line in constant memory."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from smartspec.exact_json import ExactJSONRenderer
from smartspec.paging import in_pages

ROWS_PER_CHUNK = 200
# What a spreadsheet takes for the start of a formula, also behind white space that it drops.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# Where a spreadsheet that parts cells by something else would see another cell begin.
FORMULA_WITHIN = re.compile(r"""([;,\t\r\n|][\s"']*)(?=[=+\-@])""")

Row = dict[str, Any]


class _Echo:
    """A file that hands every line straight back."""

    def write(self, line: str) -> str:
        return line


def write_csv(rows: Iterable[Row], columns: list[str]) -> Iterator[str]:
    """Yield a CSV file: the head at once, then the rows, a few hundred at a time."""
    writer = csv.DictWriter(_Echo(), columns)
    yield writer.writeheader()
    yield from _joined(writer.writerow({name: disarmed(row[name]) for name in columns}) for row in rows)


def write_json(rows: Iterable[Row], columns: list[str]) -> Iterator[str]:
    """Yield a JSON array: the bracket at once, then the rows, a few hundred at a time."""
    renderer = ExactJSONRenderer()
    yield "["
    yield from _joined((",\n" if number else "\n") + renderer.render(row).decode() for number, row in enumerate(rows))
    yield "\n]\n"


WRITERS: dict[str, tuple[Callable[[Iterable[Row], list[str]], Iterator[str]], str]] = {
    "csv": (write_csv, "text/csv; charset=utf-8"),
    "json": (write_json, "application/json"),
}


def pick(rows: QuerySet[Any], *names: str) -> Iterator[Row]:
    """Yield rows of a table, in their order, with the columns of these names."""
    columns = {name: rows.model._meta.get_field(name).attname for name in names}
    for row in in_pages(rows.only(*names)):
        yield {name: getattr(row, column) for name, column in columns.items()}


def write_document(parts: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Yield a JSON object of named parts, one part after the other; a part that is an iterator is an array of rows."""
    renderer = ExactJSONRenderer()
    yield "{"
    for number, (name, part) in enumerate(parts):
        yield f"{',' if number else ''}\n{json.dumps(name)}: "
        yield from write_json(part, []) if isinstance(part, Iterator) else [renderer.render(part).decode() or "null"]
    yield "\n}\n"


def disarmed(cell: Any) -> str:
    """Return a cell that no spreadsheet runs as a formula. A number stays one, its sign included."""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    text = FORMULA_WITHIN.sub(r"\1'", str(cell))
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _joined(lines: Iterable[str]) -> Iterator[str]:
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == ROWS_PER_CHUNK:
            yield "".join(chunk)
            chunk.clear()
    yield "".join(chunk)
