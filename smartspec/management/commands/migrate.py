"""`manage.py migrate`, as a server survives it that people pay at."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

LOCK_TIMEOUT_SECONDS = 5
INVALID_INDEXES = """
SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace
"""


class Command(migrate.Command):
    """Django's, but it gives up a table that it cannot have at once, and clears away an index that was left half built.

    Whoever waits for a table, makes everybody wait who comes after: behind a backup that reads for an hour, one ALTER
    TABLE would stop every hold for that hour. What is done concurrently waits for others without stopping anybody.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        self.alias: str = options["database"]
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise CommandError(
                f"Another session held a table of this migration for {LOCK_TIMEOUT_SECONDS} seconds (a backup, a"
                " report): nothing of it was done. Run migrate again once that is over."
            ) from None
        finally:
            with connections[self.alias].cursor() as cursor:
                cursor.execute("RESET lock_timeout")

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action in ("apply_start", "unapply_start"):
            with connections[self.alias].cursor() as cursor:
                seconds = LOCK_TIMEOUT_SECONDS if migration.atomic else 0
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{seconds}s"])
                if not migration.atomic:
                    self.drop_invalid_indexes(cursor)

    def drop_invalid_indexes(self, cursor: Any) -> None:
        """CREATE INDEX CONCURRENTLY leaves one when it is killed, and IF NOT EXISTS would take it for the real one."""
        cursor.execute(INVALID_INDEXES)
        for (name,) in cursor.fetchall():
            self.stdout.write(f"\n  Dropping {name}, which a migration that broke off has left half built.")
            cursor.execute(f"DROP INDEX CONCURRENTLY {name}")  # regclass quotes it
