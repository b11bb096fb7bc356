"""The one door to the ledger's database functions: a call is one round trip, and answers with rows and instances."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models

Row = dict[str, Any]


def call(function: str, *arguments: Any, parts: dict[str, type[models.Model]] | None = None) -> Row:
    """Return the one row that a function answers with; `parts` names the columns that are rows of a table."""
    return call_all(function, *arguments, parts=parts, plain=("status",) if parts else ())[0]


def call_all(
    function: str, *arguments: Any, parts: dict[str, type[models.Model]] | None = None, plain: Sequence[str] = ()
) -> list[Row]:
    """Return every row of a function: the plain columns (all, without `parts`) and an instance, or None, per part."""
    parts = parts or {}
    columns = ", ".join([*plain, *(_columns(part, model) for part, model in parts.items())]) or "*"
    places = ", ".join(["%s"] * len(arguments))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {function}({places})", arguments)  # noqa: S608  names of our own alone
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    if not parts:
        return [dict(zip(names, row, strict=True)) for row in rows]
    answers = []
    for row in rows:
        answer: Row = dict(zip(plain, row, strict=False))
        start = len(plain)
        for part, model in parts.items():
            fields = _field_names(model)
            values = row[start : start + len(fields)]
            start += len(fields)
            empty = values[0] is None
            answer[part] = None if empty else model.from_db(DEFAULT_DB_ALIAS, fields, values)
        answers.append(answer)
    return answers


@cache
def _field_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@cache
def _columns(part: str, model: type[models.Model]) -> str:
    return ", ".join(f"({part}).{field.column}" for field in model._meta.concrete_fields)
