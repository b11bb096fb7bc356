"""When the database is the trouble, and not what was asked of it: away, full, read-only, overloaded."""

import django.db
import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg.errors import ReadOnlySqlTransaction

RETRY_AFTER_SECONDS = 5
DETAIL = "The service is not available right now. Please try again in a few seconds."
_AWAY = (django.db.OperationalError, django.db.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def is_database_away(error: BaseException | None) -> bool:
    """Tell whether the same request may succeed when the database is itself again: nothing of it was done."""
    if isinstance(error, ConnectorException):  # the queue's word for whatever the database answered
        error = error.__cause__
    return isinstance(error, _AWAY) or ReadOnlySqlTransaction in (type(error), type(getattr(error, "__cause__", None)))
