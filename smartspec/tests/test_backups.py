"""A backup is the whole database in one file, and puts it back: everything or nothing."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections

from smartspec import backups, clock
from smartspec.testing import copy_database, ensure_template, maintenance_connection, small_disk
from smartspec.users.models import User
from smartspec.watching import Condition, words

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.dump"


def back_up(path: Path) -> str:
    said = StringIO()
    call_command("backup", str(path), stdout=said)
    return said.getvalue()


def backed_up(now: datetime) -> Condition:
    return words.all_conditions()["backed_up"](now)


class Screen(StringIO):
    """Where somebody looks on."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stranger() -> Iterator[str]:
    """A database role that may connect, and nothing else."""
    role = f"backups_test_stranger_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN")
    yield role
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE {role}")


@pytest.fixture
def pooler(settings: Any) -> Iterator[None]:
    """A way to the database that, as PgBouncer's, tells of another session than the one that answers."""
    database = settings.DATABASES["default"]
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                at = data.find(b"K\0\0\0\x0c")  # BackendKeyData: the session's process follows
                target.sendall(data if at < 0 else data[: at + 5] + b"\0\0\0\x07" + data[at + 9 :])
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                port = int(database["PORT"] or 5432)
                if database["HOST"].startswith("/"):
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(f"{database['HOST']}/.s.PGSQL.{port}")
                else:
                    server = socket.create_connection((database["HOST"], port))
                for way in ((client, server), (server, client)):
                    threading.Thread(target=carry, args=way, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    settings.DATABASE_DIRECT = database | {"HOST": "127.0.0.1", "PORT": str(listener.getsockname()[1])}
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


class TestThroughPgBouncer:
    """pg_dump empties the search path of the session; the web server that gets it next would find no table."""

    def test_no_backup_is_made(self, pooler: None, path: Path) -> None:
        with pytest.raises(CommandError, match="leads through PgBouncer: set DATABASE_DIRECT_URL"):
            back_up(path)
        assert list(path.parent.iterdir()) == []

    def test_nothing_is_restored(self, alice: Any, path: Path, settings: Any, pooler: None) -> None:
        path.write_text("a backup")
        with pytest.raises(CommandError, match="leads through PgBouncer: set DATABASE_DIRECT_URL"):
            call_command("restore", str(path), "--replace")
        assert User.objects.exists()


def test_the_way_to_the_database_is_checked_as_the_server_checks_it(settings: Any) -> None:
    options = {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "prepare_threshold": 5}
    settings.DATABASE_DIRECT = {"HOST": "db.example.com", "NAME": "smartspec", "OPTIONS": options}
    assert backups.way_to_database() == {
        "host": "db.example.com",
        "dbname": "smartspec",
        "sslmode": "verify-full",
        "sslrootcert": "/ca.pem",
    }


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another database of the server's, with our tables and nobody in it."""
    name = f"test_backups_elsewhere_{os.getpid()}"
    copy_database(ensure_template(), name)
    yield name
    with maintenance_connection() as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestTheWayToTheDatabase:
    """Postgres's tools go where the server goes, and nothing is replaced that was not looked at."""

    def test_may_be_told_by_options(
        self, alice: Any, path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = settings.DATABASES["default"]
        monkeypatch.setenv("PGHOST", "/nowhere")
        options = {"host": database["HOST"], "port": database["PORT"] or 5432, "options": "-c search_path=public"}
        settings.DATABASE_DIRECT = database | {"HOST": "", "PORT": "", "OPTIONS": options}
        back_up(path)
        call_command("restore", str(path), "--replace", stdout=StringIO(), stderr=StringIO())
        assert User.objects.get().email == "alice@smartspec.test"

    def test_is_asked_for_users_where_it_leads(self, alice: Any, path: Path, settings: Any, elsewhere: str) -> None:
        back_up(path)
        User.objects.all().delete()
        connections.close_all()
        default = settings.DATABASES["default"]
        settings.DATABASE_DIRECT = default | {"NAME": elsewhere}
        call_command("restore", str(path), stdout=StringIO(), stderr=StringIO())
        assert not User.objects.exists()
        with pytest.raises(CommandError, match="has users"):
            call_command("restore", str(path))

    def test_is_asked_for_others_where_it_leads(self, path: Path, settings: Any, elsewhere: str) -> None:
        back_up(path)
        settings.DATABASE_DIRECT = settings.DATABASES["default"] | {"NAME": elsewhere}
        with maintenance_connection(elsewhere), pytest.raises(CommandError, match="Others are connected"):
            call_command("restore", str(path), "--replace")

    def test_is_asked_for_others_of_whatever_role(
        self, path: Path, settings: Any, elsewhere: str, stranger: str
    ) -> None:
        back_up(path)
        settings.DATABASE_DIRECT = settings.DATABASES["default"] | {"NAME": elsewhere, "USER": stranger}
        with maintenance_connection(elsewhere), pytest.raises(CommandError, match="Others are connected"):
            call_command("restore", str(path), "--replace")

    def test_leads_to_the_one_host_of_several_that_answered(self, settings: Any, tmp_path: Path) -> None:
        database = settings.DATABASES["default"]
        options = {"host": f"{tmp_path},{database['HOST']}", "port": f"{database['PORT'] or 5432}"}
        settings.DATABASE_DIRECT = database | {"HOST": "", "PORT": "", "OPTIONS": options}
        assert backups.find_server()["host"] == database["HOST"]


class TestBackup:
    def test_is_one_file_for_its_owners_eyes(self, alice: Any, path: Path) -> None:
        assert str(path) in back_up(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [found.name for found in path.parent.iterdir()] == ["all.dump"]

    def test_is_noted_so_that_operators_hear_when_the_next_does_not_come(
        self, alice: Any, path: Path, now: datetime, settings: Any
    ) -> None:
        settings.PRODUCTION = True
        assert not backed_up(now).holds

        back_up(path)
        assert backed_up(clock.now()).detail.startswith("all.dump, ")

        tomorrow = clock.now() + timedelta(hours=settings.BACKUP_WITHIN_HOURS)
        assert backed_up(tomorrow - timedelta(minutes=1)).holds
        assert not backed_up(tomorrow + timedelta(minutes=1)).holds

        settings.BACKUP_WITHIN_HOURS = 0  # backups are taken otherwise
        assert backed_up(tomorrow + timedelta(minutes=1)).holds

    def test_is_one_also_where_nothing_can_be_noted(self, alice: Any, path: Path) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        assert str(path) in back_up(path)
        assert path.stat().st_size

    def test_never_overwrites_another(self, path: Path) -> None:
        path.write_text("the last one")
        with pytest.raises(CommandError, match="exists already"):
            back_up(path)
        assert path.read_text() == "the last one"

    def test_beside_another_to_the_same_path_leaves_one_whole_file(self, alice: Any, path: Path) -> None:
        def back_up_once(_: int) -> str:
            try:
                return f"{backups.back_up(path=path, now=clock.now(), on_progress=lambda line: None)} bytes"
            except backups.BackupFailed as error:
                return str(error.detail)

        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(back_up_once, range(2)))
        whole = f"{path.stat().st_size} bytes"
        assert path.stat().st_size > 100_000
        assert sum(words == whole or "exists already" in words for words in said) == 2
        assert whole in said
        assert list(path.parent.iterdir()) == [path]

    def test_that_cannot_be_written_says_where(self, path: Path) -> None:
        path.write_text("not a folder")
        with pytest.raises(CommandError, match=r"all\.dump/nightly\.dump cannot be written"):
            back_up(path / "nightly.dump")

    def test_that_fails_leaves_nothing(self, path: Path, settings: Any) -> None:
        settings.DATABASE_DIRECT = settings.DATABASES["default"] | {"NAME": "no_such_database"}
        with pytest.raises(CommandError, match="no_such_database"):
            back_up(path)
        assert list(path.parent.iterdir()) == []

    def test_of_a_database_without_our_tables_is_refused(self, path: Path) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
        with pytest.raises(CommandError, match="has none of our tables"):
            back_up(path)
        assert list(path.parent.iterdir()) == []

    def test_tells_a_person_which_table_it_is_at(self, alice: Any, path: Path) -> None:
        screen = Screen()
        call_command("backup", str(path), stdout=StringIO(), stderr=screen)
        assert "users_user" in screen.getvalue()

    @pytest.mark.faults
    @pytest.mark.parametrize("size_kb", [8, 64])  # full when it begins, and half-way
    def test_that_finds_its_disk_full_says_so_and_leaves_nothing(self, path: Path, size_kb: int) -> None:
        with small_disk(path.parent, size_kb):
            with pytest.raises(CommandError, match="No space left on device"):
                back_up(path)
            assert list(path.parent.iterdir()) == []


class TestRestore:
    def test_puts_everything_back_and_only_that(self, alice: Any, path: Path) -> None:
        back_up(path)
        alice.name = "Somebody else"
        alice.save()
        User.objects.create_user("later@smartspec.test", "a later password")
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE made_later (id int)")
        call_command("restore", str(path), "--replace", stdout=StringIO(), stderr=StringIO())
        assert list(User.objects.values_list("email", "name")) == [("alice@smartspec.test", "Alice")]
        assert "made_later" not in connection.introspection.table_names()

    def test_keeps_what_the_ledger_forbids_forbidden(self, alice: Any, path: Path) -> None:
        back_up(path)
        call_command("restore", str(path), "--replace", stdout=StringIO(), stderr=StringIO())
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("TRUNCATE credits_entry CASCADE")

    def test_does_not_replace_a_database_with_users_unasked(self, alice: Any, path: Path) -> None:
        back_up(path)
        with pytest.raises(CommandError, match="has users"):
            call_command("restore", str(path))

    def test_changes_nothing_when_the_file_is_broken(self, alice: Any, path: Path) -> None:
        back_up(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CommandError, match=r"pg_restore|psql"):
            call_command("restore", str(path), "--replace", stderr=StringIO())
        assert User.objects.get().email == "alice@smartspec.test"
        assert [found.name for found in path.parent.iterdir()] == ["all.dump"]

    def test_says_why_the_database_refuses_it_and_changes_nothing(
        self, alice: Any, path: Path, settings: Any, stranger: str
    ) -> None:
        back_up(path)
        settings.DATABASE_DIRECT = settings.DATABASES["default"] | {"USER": stranger}
        with pytest.raises(CommandError, match=r"psql: .*must be owner of schema public"):
            call_command("restore", str(path), "--replace")
        assert User.objects.get().email == "alice@smartspec.test"

    def test_tells_a_person_which_table_it_is_at(self, alice: Any, path: Path) -> None:
        back_up(path)
        screen = Screen()
        call_command("restore", str(path), "--replace", stdout=StringIO(), stderr=screen)
        assert "users_user" in screen.getvalue()

    def test_waits_until_nobody_is_connected(self, alice: Any, path: Path) -> None:
        back_up(path)
        other = connections.create_connection("default")
        try:
            other.ensure_connection()
            with pytest.raises(CommandError, match="stop web server, worker and PgBouncer first"):
                call_command("restore", str(path), "--replace")
        finally:
            other.close()
        assert User.objects.exists()

    def test_needs_a_file(self, path: Path) -> None:
        with pytest.raises(CommandError, match="There is no file"):
            call_command("restore", str(path))
