"""The one door to the ledger's database functions: a call is one round trip, and answers with rows and instances.

The server plans a call once for each connection (`smartspec.statements`): less work on both sides while the account is
locked.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from prometheus_client import Counter

from smartspec import statements

Row = dict[str, Any]
Parts = Mapping[str, type[models.Model]]
NO_PARTS: Parts = {}
CALLS = Counter("smartspec_ledger_calls", "Calls of the ledger's functions, by their answer.", ("function", "status"))


def call(function: str, *arguments: Any, plain: Sequence[str] = ("status",), parts: Parts = NO_PARTS) -> Row:
    """Return the one row that a function answers with: its plain columns, and an instance, or None, for each part.

    `parts` names the columns that are rows of a table.
    """
    return call_all(function, *arguments, plain=plain, parts=parts)[0]


def call_all(function: str, *arguments: Any, plain: Sequence[str] = ("status",), parts: Parts = NO_PARTS) -> list[Row]:
    """Return every row that a function answers with, as `call` returns one."""
    rows = statements.fetch_all(_statement(function, len(arguments), tuple(plain), tuple(parts.items())), arguments)
    if plain and plain[0] == "status":
        for row in rows:
            _counter(function, row[0]).inc()
    if not parts:
        return [dict(zip(plain, row, strict=True)) for row in rows]
    answers = []
    for row in rows:
        answer: Row = dict(zip(plain, row, strict=False))
        start = len(plain)
        for part, model in parts.items():
            fields = _field_names(model)
            values = row[start : start + len(fields)]
            start += len(fields)
            answer[part] = None if values[0] is None else model.from_db(DEFAULT_DB_ALIAS, fields, values)
        answers.append(answer)
    return answers


@cache
def _counter(function: str, status: str) -> Counter:
    """Return the counter of an answer; found once, since looking it up by its labels costs more than counting."""
    return CALLS.labels(function.removeprefix("credits_"), status)


def call_value(function: str, *arguments: Any) -> Any:
    """Return the one value that a function answers with."""
    ((value,),) = statements.fetch_all(f"SELECT {function}({_places(len(arguments))})", arguments)
    return value


@lru_cache(maxsize=100)
def _statement(function: str, count: int, plain: tuple[str, ...], parts: tuple[tuple[str, Any], ...]) -> str:
    columns = ", ".join(
        [*plain, *(f"({part}).{field.column}" for part, model in parts for field in model._meta.concrete_fields)]
    )
    return f"SELECT {columns} FROM {function}({_places(count)})"  # noqa: S608  names of our own alone


def _places(count: int) -> str:
    return ", ".join(["%s"] * count)


@cache
def _field_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
