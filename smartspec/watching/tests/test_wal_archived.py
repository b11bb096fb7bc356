"""Operators are told when Postgres cannot hand its log on, or is copied no more, by a server that archives."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from smartspec.tests.archiving import ArchivingServer, archiving_server
from smartspec.watching import watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(db: None) -> Iterator[ArchivingServer]:
    with archiving_server() as archiving, archiving.in_use("postgres"):
        yield archiving


def test_a_server_that_is_not_asked_to_archive_is_as_it_should_be(now: datetime) -> None:
    assert watching.wal_archived(now).holds


def test_an_archive_that_takes_nothing_is_told_until_it_does(server: ArchivingServer, now: datetime) -> None:
    assert (watching.wal_archived(now).holds, watching.wal_archived(now).detail) == (True, "never yet")
    server.pass_minute()
    look = watching.wal_archived(now)
    assert look.holds
    assert look.detail.startswith("last at 2")

    (server.archive / "wal").rename(server.archive / "unmounted")
    server.end_segment()
    server.wait_until("SELECT failed_count > 0 FROM pg_stat_archiver")
    look = watching.wal_archived(now)
    assert not look.holds
    assert look.detail.startswith("it fails; last at 2")

    (server.archive / "unmounted").rename(server.archive / "wal")
    server.pass_minute()
    assert watching.wal_archived(now).holds


def test_an_archive_that_hangs_is_told_although_nothing_fails(
    server: ArchivingServer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ask("ALTER SYSTEM SET archive_command = 'sleep 1000'")
    server.ask("ALTER SYSTEM SET archive_timeout = 1")
    server.ask("SELECT pg_reload_conf()")
    server.wait_until("SELECT setting = '1' FROM pg_settings WHERE name = 'archive_timeout'")
    assert watching.wal_archived(now).holds
    monkeypatch.setattr(watching, "ARCHIVED_WITHIN_SECONDS", 1)
    server.wait_until("SELECT now() > pg_postmaster_start_time() + interval '3 seconds'")
    look = watching.wal_archived(now)
    assert (look.holds, look.detail) == (False, "nothing comes; never yet")


def test_a_server_that_is_not_asked_to_archive_needs_no_copy(now: datetime) -> None:
    assert watching.base_copied(now).holds


def test_copies_that_stop_are_told(server: ArchivingServer, settings: Any) -> None:
    first = watching.base_copied(server.note_moment())
    assert (first.holds, first.detail) == (False, "never yet")

    server.back_up()
    copied_at = server.note_moment()
    assert watching.base_copied(copied_at).detail.startswith("last at 2")
    tomorrow = copied_at + timedelta(hours=settings.BASE_COPY_WITHIN_HOURS)
    assert watching.base_copied(tomorrow - timedelta(minutes=1)).holds
    assert not watching.base_copied(tomorrow).holds

    settings.BASE_COPY_WITHIN_HOURS = 0  # somebody else's tool copies
    assert watching.base_copied(tomorrow).holds
