"""No migration after the first release locks a large table for long, or breaks the code that still runs beside it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.migrations.loader import MigrationLoader

from smartspec.management.commands.migrate import LOCK_TIMEOUT_SECONDS, OURS, Command, wait_beside_others

# What came before the first release ran on empty tables.
BEFORE_RELEASE = {"billing": 9, "credits": 13, "media": 3, "smartspec": 1, "users": 10, "watching": 1}
# What squawk (squawkhq.com) says that may stop a server: each of its rules says what to write instead.
UNSAFE = {
    "adding-field-with-default",
    "adding-foreign-key-constraint",
    "adding-not-nullable-field",
    "adding-required-field",
    "adding-serial-primary-key-field",
    "ban-drop-column",
    "ban-drop-table",
    "changing-column-type",
    "constraint-missing-not-valid",
    "disallowed-unique-constraint",
    "renaming-column",
    "renaming-table",
    "require-concurrent-index-creation",
    "require-concurrent-index-deletion",
}
CONCURRENTLY = ("CREATE INDEX CONCURRENTLY", "CREATE UNIQUE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY")
# Migrations that do it all the same, as `app.name`, with the rule and the reason (a small table, no code reads it …).
ACCEPTED: dict[tuple[str, str], str] = {}


def unsafe(sql: str) -> set[str]:
    """Return the rules that a migration's SQL breaks."""
    squawk = Path(sys.executable).parent / "squawk"
    done = subprocess.run(
        [squawk, "--reporter", "json", "--pg-version", "18.0", "--stdin-filepath", "migration.sql"],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {found["rule_name"] for found in json.loads(done.stdout)} & UNSAFE


def sql_of(app: str, name: str) -> str:
    written = StringIO()
    call_command("sqlmigrate", app, name, stdout=written, no_color=True)
    return written.getvalue()


@pytest.mark.django_db(transaction=True)  # what is done concurrently is not done in a transaction
def test_no_migration_since_the_release_stops_a_server() -> None:
    names = sorted(key for key in MigrationLoader(connection).disk_migrations if key[0] in BEFORE_RELEASE)
    assert len(names) > 30
    found = {
        (f"{app}.{name}", rule)
        for app, name in names
        if int(name[:4]) > BEFORE_RELEASE[app]
        for rule in unsafe(sql_of(app, name))
    }
    assert found == set(ACCEPTED)


@pytest.mark.django_db(transaction=True)
def test_one_that_broke_off_can_be_run_again() -> None:
    """Without a transaction a half of it may stand: only what is done concurrently may be in it, which `migrate` does
    once."""
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app in BEFORE_RELEASE and not migration.atomic:
            lines = [line for line in sql_of(app, name).splitlines() if not line.startswith("--")]
            statements = [statement.strip() for statement in " ".join(lines).split(";")]
            for statement in filter(None, statements):
                assert statement.startswith(CONCURRENTLY), f"{app}.{name}: {statement}"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX i ON credits_entry (amount)", "require-concurrent-index-creation"),
        ("DROP INDEX i", "require-concurrent-index-deletion"),
        ("ALTER TABLE credits_entry ALTER COLUMN number TYPE bigint", "changing-column-type"),
        ("ALTER TABLE credits_entry ADD COLUMN note text NOT NULL", "adding-required-field"),
        ("ALTER TABLE credits_entry ALTER COLUMN note SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE credits_entry ADD CONSTRAINT c CHECK (number > 0)", "constraint-missing-not-valid"),
        ("ALTER TABLE credits_entry ADD CONSTRAINT u UNIQUE (number)", "disallowed-unique-constraint"),
        ("ALTER TABLE credits_entry DROP COLUMN note", "ban-drop-column"),
        ("ALTER TABLE credits_entry RENAME COLUMN note TO remark", "renaming-column"),
    ],
)
def test_what_stops_a_server_is_found(statement: str, rule: str) -> None:
    assert rule in unsafe(f"BEGIN;\n{statement};\nCOMMIT;")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY i ON credits_entry (amount)",
        "ALTER TABLE credits_entry ADD COLUMN note text NULL",
        "ALTER TABLE credits_entry ADD COLUMN note text DEFAULT '' NOT NULL",
        "ALTER TABLE credits_entry ADD CONSTRAINT c CHECK (number > 0) NOT VALID",
        "BEGIN; CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL); CREATE INDEX i ON t (n); COMMIT",
    ],
)
def test_what_does_not_is_let_through(statement: str) -> None:
    assert unsafe(f"{statement};") == set()


@pytest.mark.django_db(transaction=True)
class TestMigrate:
    """While old code serves and a backup reads."""

    @pytest.fixture
    def table(self) -> Iterator[str]:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE of_a_test (number integer)")
            cursor.execute("INSERT INTO of_a_test VALUES (1), (1)")
        yield "of_a_test"
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE of_a_test")

    def lock_timeout(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return str(cursor.fetchone()[0])

    def seen_while(self, sql: str) -> str:
        """Return how long a statement of a migration would wait for a table."""
        with connection.execute_wrapper(wait_beside_others), connection.cursor() as cursor:
            cursor.execute(sql)
            return str(cursor.fetchone()[0])

    def test_waits_for_a_table_no_longer_than_others_can_wait(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        plain = "SELECT current_setting('lock_timeout')"
        assert self.seen_while(plain) == f"{LOCK_TIMEOUT_SECONDS}s"
        for beside_others in ("CONCURRENTLY", "VALIDATE CONSTRAINT"):
            assert self.seen_while(f"{plain} -- {beside_others}") == "0"
        assert self.seen_while(plain) == f"{LOCK_TIMEOUT_SECONDS}s"
        call_command("migrate", "watching", verbosity=0)
        assert self.lock_timeout() == "0"

    def test_is_run_by_one_at_a_time(self) -> None:
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_lock({OURS})")
            with pytest.raises(CommandError, match="Another migrate is at work"):
                call_command("migrate", "watching", verbosity=0)
            with other.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock({OURS})")
        finally:
            other.close()
        call_command("migrate", "watching", verbosity=0)

    def test_says_what_to_do_when_a_backup_holds_a_table(self) -> None:
        reading = connection.copy()
        try:
            with reading.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1 FROM watching_alert")
            with pytest.raises(CommandError, match="Another session held a table"):
                call_command("migrate", "watching", "zero", verbosity=0)
        finally:
            reading.close()
        call_command("migrate", "watching", verbosity=0)
        assert "watching_alert" in connection.introspection.table_names()

    def test_builds_anew_what_was_left_half_built(self, table: str) -> None:
        with connection.cursor() as cursor, pytest.raises(IntegrityError):
            cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY half_built ON {table} (number)")
        said = StringIO()
        Command(stdout=said).drop_invalid_indexes()
        assert "half_built" in said.getvalue()
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('half_built')")
            assert cursor.fetchone() == (None,)

    def test_passes_over_the_indexes_that_a_run_which_broke_off_has_finished(self, table: str) -> None:
        for _ in range(2):
            with connection.execute_wrapper(wait_beside_others), connection.cursor() as cursor:
                cursor.execute(f'CREATE INDEX CONCURRENTLY "of_a_test_index" ON {table} (number)')
        for _ in range(2):
            with connection.execute_wrapper(wait_beside_others), connection.cursor() as cursor:
                cursor.execute("DROP INDEX CONCURRENTLY of_a_test_index")
