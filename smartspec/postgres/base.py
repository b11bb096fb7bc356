"""Django's Postgres backend, for a database that may hang.

One that is gone refuses, and the caller is told so at once. One that hangs says nothing: its machine stands still, its
disk waits, the network swallows what is sent. Nothing of Postgres's ends such a wait (`statement_timeout` is kept by
the server that hangs), and sixteen callers would hold every thread of a web server for as long as it takes.
"""

import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus

Answer = TypeVar("Answer")

HEALTH_CHECK_SECONDS = 3.0
CANCEL_SECONDS = 1.0
QUIET_SECONDS = 5.0
_quiet_until = 0.0  # by time.monotonic(): until then nobody is let wait for a database that has just not answered


class PromptConnection(psycopg.Connection[Any]):
    """A connection that gives up a statement that is not answered in time, and is closed then."""

    timeout_seconds: float | None = settings.DATABASE_TIMEOUT_SECONDS

    def wait(self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        seconds = self.timeout_seconds if timeout is None else timeout
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise  # the server's answer
            with suppress(psycopg.Error):  # or it would do, some time later, what the caller was told is not done
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.pgconn.finish()
            raise psycopg.OperationalError(f"The database did not answer within {seconds} seconds.") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections that give up. When none could be made in time, the next callers are refused without waiting."""

    Database = SimpleNamespace(**(vars(psycopg) | {"connect": PromptConnection.connect}))  # type: ignore[assignment]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        global _quiet_until
        if time.monotonic() < _quiet_until:
            raise psycopg.OperationalError("The database has just not answered.")
        try:
            return super().get_new_connection(conn_params)
        except ConnectionTimeout:
            _quiet_until = time.monotonic() + QUIET_SECONDS
            raise

    def is_usable(self) -> bool:
        if self.connection is None:
            return False
        own_timeout, self.connection.timeout_seconds = self.connection.timeout_seconds, HEALTH_CHECK_SECONDS
        try:
            return super().is_usable()
        finally:
            self.connection.timeout_seconds = own_timeout
