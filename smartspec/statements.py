"""Statements sent many times: planned once for each connection, their arguments beside them, their answers in binary.

Django's own cursors write the arguments into the statement, which costs both sides more for each.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import Format

# Of each of Django's connections (one for each thread), the cursor that the statements on it share.
_cursors: "WeakKeyDictionary[BaseDatabaseWrapper, psycopg.Cursor[Any]]" = WeakKeyDictionary()


def fetch_all(statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows that a statement answers with. The server plans it once, unless DATABASE_PREPARED_STATEMENTS is
    off."""
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
