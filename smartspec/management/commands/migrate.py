"""`manage.py migrate`, as a server survives it that people pay at."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import Error, OperationalError, connections
from psycopg import Error as DatabaseError
from psycopg.errors import LockNotAvailable

LOCK_TIMEOUT_SECONDS = 5
# What Postgres does beside others: it waits for them, and nobody waits for it.
BESIDE_OTHERS = ("CONCURRENTLY", "VALIDATE CONSTRAINT")
OURS = "hashtext('smartspec.migrate')"
INVALID_INDEXES = """
SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
"""


class Command(migrate.Command):
    """Django's, but it gives up a table that it cannot have soon, and finishes indexes that were left half built.

    Whoever comes after a statement that waits for a table, waits as well: behind a backup that reads for an hour, one
    ALTER TABLE would stop every hold for that hour.
    """

    alias = "default"

    def handle(self, *args: Any, **options: Any) -> None:
        self.alias = options["database"]
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_lock({OURS})")
            if cursor.fetchone() == (False,):
                raise CommandError("Another migrate is at work on this database. Wait until it is done.")
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_TIMEOUT_SECONDS}s"])
        try:
            with connection.execute_wrapper(wait_beside_others):
                super().handle(*args, **options)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise CommandError(
                f"Another session held a table of this migration for {LOCK_TIMEOUT_SECONDS} seconds (a backup, a"
                " report). Run migrate again once that is over."
            ) from None
        finally:
            with suppress(Error), connection.cursor() as cursor:  # a connection that is lost has neither
                cursor.execute("RESET lock_timeout")
                cursor.execute(f"SELECT pg_advisory_unlock({OURS})")

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_start" and not migration.atomic and not fake:
            self.drop_invalid_indexes()

    def drop_invalid_indexes(self) -> None:
        """What CREATE INDEX CONCURRENTLY leaves when it is killed. IF NOT EXISTS would take it for the real one."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(INVALID_INDEXES)
            for (name,) in cursor.fetchall():
                self.stdout.write(f"\n  Dropping {name}, which a migration that broke off has left half built.")
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")  # regclass quotes it


def wait_beside_others(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a migration's statement; one that stops nobody may wait for as long as it likes.

    An index that is there already, or no more, was seen to by a run that broke off later.
    """
    if not any(words in str(sql) for words in BESIDE_OTHERS):
        return execute(sql, params, many, context)
    sql = str(sql).replace("CREATE INDEX CONCURRENTLY ", "CREATE INDEX CONCURRENTLY IF NOT EXISTS ")
    sql = sql.replace("DROP INDEX CONCURRENTLY ", "DROP INDEX CONCURRENTLY IF EXISTS ")
    sql = sql.replace("IF NOT EXISTS IF NOT EXISTS", "IF NOT EXISTS").replace("IF EXISTS IF EXISTS", "IF EXISTS")
    session = context["connection"].connection  # a cursor of its own: the statement's keeps its answer
    session.execute("SET lock_timeout = 0")
    try:
        return execute(sql, params, many, context)
    finally:
        with suppress(DatabaseError):  # it failed in a transaction, which takes nothing any more
            session.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
