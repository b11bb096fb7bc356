"""The one door to the ledger's database functions: a call is one round trip, and answers with rows and instances.

A call's arguments travel beside its statement, which the server plans once for each connection (unless
DATABASE_PREPARED_STATEMENTS is off), and its answer comes in binary: less work on both sides while the account is
locked than with Django's own cursors, which write the arguments into the statement.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from prometheus_client import Counter
from psycopg.pq import Format

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
    rows = _fetch(_statement(function, len(arguments), tuple(plain), tuple(parts.items())), arguments)
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
    ((value,),) = _fetch(f"SELECT {function}({_places(len(arguments))})", arguments)
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


# --- The cursor ---------------------------------------------------------------------------------------------------

# Of each of Django's connections (one for each thread), the cursor that the calls on it share.
_cursors: "WeakKeyDictionary[BaseDatabaseWrapper, psycopg.Cursor[Any]]" = WeakKeyDictionary()


def _fetch(statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
    database = connections[DEFAULT_DB_ALIAS]
    database.close_if_health_check_failed()
    database.ensure_connection()
    cursor = _cursors.get(database)
    if cursor is None or cursor.connection is not database.connection:
        cursor = _cursors[database] = psycopg.Cursor(database.connection)
        cursor.format = Format.BINARY
    # Django's wrappers translate errors, refuse a broken transaction and, where asked to, count and time statements.
    wrap: Any = database.make_debug_cursor if database.queries_logged else database.make_cursor
    wrap(cursor).execute(statement, arguments)
    return cursor.fetchall()
