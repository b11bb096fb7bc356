"""The write-ahead log's archive (docs/postgres): what is kept comes back whole, or it is said that it does not."""

import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from smartspec.testing import small_disk
from smartspec.tests.archiving import ArchivingServer, archiving_server, page_line

SCRIPTS = Path(settings.BASE_DIR) / "docs/postgres"
NAME = "000000010000000000000007"
SEGMENT = re.compile(r"[0-9A-F]{24}\.gz")
STOPS_RECOVERY = 126  # and above; 1 to 125 mean that the log has ended


def run(script: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPTS / script, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A finished file of the log."""
    path = tmp_path / "pg_wal" / NAME
    path.parent.mkdir()
    path.write_bytes(os.urandom(100_000) + bytes(900_000))
    return path


@pytest.fixture
def wal(tmp_path: Path) -> Path:
    """The archive's folder for them."""
    path = tmp_path / "wal"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestArchivedFile:
    def test_is_kept_for_its_owners_eyes_and_comes_back_as_it_was(
        self, segment: Path, wal: Path, tmp_path: Path
    ) -> None:
        assert run("archive-wal", segment, wal / NAME).returncode == 0
        assert names(wal) == [f"{NAME}.gz"]
        assert stat.S_IMODE((wal / f"{NAME}.gz").stat().st_mode) == 0o600
        assert run("restore-wal", wal / NAME, tmp_path / "back").returncode == 0
        assert (tmp_path / "back").read_bytes() == segment.read_bytes()

    def test_may_be_handed_over_again(self, segment: Path, wal: Path) -> None:
        for _ in range(2):
            assert run("archive-wal", segment, wal / NAME).returncode == 0

    def test_is_never_replaced_by_another(self, segment: Path, wal: Path) -> None:
        run("archive-wal", segment, wal / NAME)
        kept = (wal / f"{NAME}.gz").read_bytes()
        segment.write_bytes(b"another server's")
        refused = run("archive-wal", segment, wal / NAME)
        assert refused.returncode == 1
        assert "is there already, and is another file" in refused.stderr
        assert (wal / f"{NAME}.gz").read_bytes() == kept

    def test_is_not_kept_where_no_disk_is_mounted(self, segment: Path, tmp_path: Path) -> None:
        assert run("archive-wal", segment, tmp_path / "wal" / NAME).returncode != 0
        assert not (tmp_path / "wal").exists()

    def test_that_was_half_written_is_written_again(self, segment: Path, wal: Path, tmp_path: Path) -> None:
        (wal / f"{NAME}.gz.partial").write_text("half")
        assert run("archive-wal", segment, wal / NAME).returncode == 0
        assert run("restore-wal", wal / NAME, tmp_path / "back").returncode == 0
        assert (tmp_path / "back").read_bytes() == segment.read_bytes()

    @pytest.mark.faults
    def test_is_not_kept_by_half_when_the_disk_is_full(self, segment: Path, wal: Path) -> None:
        with small_disk(wal, 64):
            assert run("archive-wal", segment, wal / NAME).returncode != 0
            assert f"{NAME}.gz" not in names(wal)


class TestRestoredFile:
    def test_that_was_never_kept_ends_the_log(self, wal: Path, tmp_path: Path) -> None:
        assert run("restore-wal", wal / NAME, tmp_path / "back").returncode == 1

    def test_that_is_damaged_stops_the_recovery(self, segment: Path, wal: Path, tmp_path: Path) -> None:
        run("archive-wal", segment, wal / NAME)
        kept = (wal / f"{NAME}.gz").read_bytes()
        (wal / f"{NAME}.gz").write_bytes(kept[:-100])
        assert run("restore-wal", wal / NAME, tmp_path / "back").returncode >= STOPS_RECOVERY

    def test_that_cannot_be_looked_at_stops_the_recovery(self, wal: Path, tmp_path: Path) -> None:
        (wal / f"{NAME}.gz").symlink_to(f"{NAME}.gz")
        assert run("restore-wal", wal / NAME, tmp_path / "back").returncode >= STOPS_RECOVERY

    def test_stops_the_recovery_where_the_folder_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "wal").touch()
        assert run("restore-wal", tmp_path / "wal" / NAME, tmp_path / "back").returncode >= STOPS_RECOVERY

    def test_stops_the_recovery_where_no_disk_is_mounted(self, tmp_path: Path) -> None:
        assert run("restore-wal", tmp_path / "wal" / NAME, tmp_path / "back").returncode >= STOPS_RECOVERY


def test_a_base_backup_is_not_made_where_no_disk_is_mounted(tmp_path: Path) -> None:
    assert run("base-backup", tmp_path).returncode != 0
    assert names(tmp_path) == []


@pytest.fixture
def server() -> Iterator[ArchivingServer]:
    """A server with a table of words, one of them in its base backup."""
    with archiving_server() as archiving:
        archiving.ask("CREATE TABLE words (word text)")
        archiving.ask("INSERT INTO words VALUES ('first')")
        archiving.back_up()
        yield archiving


def bases(server: ArchivingServer) -> list[Path]:
    return sorted((server.archive / "base").glob("2*"))


def segments_from_base(server: ArchivingServer, timeline: int = 1) -> set[str]:
    """Return what is kept of a history's log since its base backup, noted there under its first file's name."""
    (noted,) = (server.archive / "wal").glob(f"{timeline:08X}*.backup.gz")
    return {
        name
        for name in names(server.archive / "wal")
        if SEGMENT.fullmatch(name) and name[:8] == noted.name[:8] and name >= noted.name[:24]
    }


def words(server: ArchivingServer) -> str:
    return str(server.ask("SELECT string_agg(word, ' ') FROM words"))


def age(base: Path) -> None:
    """Let two weeks have passed since a copy was made."""
    long_ago = time.time() - timedelta(days=15).total_seconds()
    os.utime(base, (long_ago, long_ago))


class TestServer:
    @pytest.mark.parametrize("log_stands", ["among the data", "on another disk"])
    def test_that_was_killed_loses_not_even_what_was_not_archived_yet(
        self, server: ArchivingServer, log_stands: str
    ) -> None:
        if log_stands == "on another disk":
            server.move_log()
        server.ask("INSERT INTO words VALUES ('archived')")
        server.pass_minute()
        server.ask("INSERT INTO words VALUES ('not yet')")
        server.kill()
        assert "delete" in server.recover("latest").stderr
        (server.pgdata / "postmaster.pid").unlink()
        assert server.recover("latest").returncode == 0
        server.await_moment()
        assert words(server) == "first archived not yet"
        assert len(list(server.pgdata.parent.glob("main.2*"))) == 1  # what was there

    def test_whose_archive_is_damaged_does_not_open_as_if_that_were_all(self, server: ArchivingServer) -> None:
        server.ask("INSERT INTO words VALUES ('archived')")
        server.pass_minute()
        server.lose_disk()
        last = max((server.archive / "wal").glob("*[0-9A-F].gz"))
        last.write_bytes(last.read_bytes()[:-10])
        assert server.recover("latest").returncode == 0
        assert server.gives_up()
        assert "could not restore file" in server.log

    def test_whose_copy_is_damaged_is_left_as_it_is(self, server: ArchivingServer) -> None:
        server.stop()
        (base,) = bases(server)
        copied = (base / "base.tar.gz").read_bytes()
        (base / "base.tar.gz").write_bytes(copied[: len(copied) // 2])
        assert server.recover("latest").returncode != 0
        assert server.start(), server.log
        assert words(server) == "first"

    def test_says_why_a_moment_cannot_be_reached(self, server: ArchivingServer) -> None:
        assert "stop Postgres first" in server.recover("latest").stderr
        server.lose_disk()
        assert "invalid date" in server.recover("tea time").stderr
        assert "no base backup in" in server.recover("2020-01-01 00:00:00").stderr
        assert not server.pgdata.exists()
        assert server.recover("2100-01-01 00:00:00").returncode == 0
        assert server.gives_up()
        assert "recovery ended before configured recovery target was reached" in server.log

    def test_is_looked_at_when_it_stands_at_its_moment_however_long_it_reads(self, server: ArchivingServer) -> None:
        for word in ("second", "third", "last"):
            server.ask(f"CREATE TABLE {word} AS SELECT generate_series(1, 20000)")  # more than is read ahead
            server.ask(f"INSERT INTO words VALUES ('{word}')")
            server.pass_minute()
        moment = server.note_moment()
        server.ask("INSERT INTO words VALUES ('mistaken')")
        server.pass_minute()
        server.lose_disk()
        server.slow_down("restore-wal")
        assert server.recover(moment).returncode == 0
        assert datetime.fromisoformat(server.await_moment()) <= moment
        assert words(server) == "first second third last"
        assert server.ask("SELECT pg_is_in_recovery()")

    def test_that_does_not_run_is_not_waited_for(self, server: ArchivingServer) -> None:
        server.stop()
        waited = server.run(page_line("await-moment"))
        assert waited.returncode == 1
        assert "Postgres does not run" in waited.stderr

    def test_that_stands_at_no_moment_is_not_promoted(self, server: ArchivingServer) -> None:
        assert "does not stand still" in server.run(page_line("docs/postgres/promote")).stderr
        assert len(bases(server)) == 1

    def test_that_went_on_from_before_a_copy_never_begins_with_that_again(self, server: ArchivingServer) -> None:
        moment = server.note_moment()
        server.ask("INSERT INTO words VALUES ('mistaken')")
        server.back_up()
        server.lose_disk()
        assert server.recover(moment).returncode == 0
        server.await_moment()
        server.must(page_line("docs/postgres/promote"))
        server.ask("INSERT INTO words VALUES ('after')")
        server.pass_minute()
        server.lose_disk()
        assert server.recover("latest").returncode == 0
        server.await_moment()
        assert words(server) == "first after"

    def test_leaves_another_servers_archive_alone(self, server: ArchivingServer) -> None:
        (server.archive / "base/server").write_text("7000000000000000000\n")
        refused = server.run(page_line("base-backup"))
        assert refused.returncode == 1
        assert "is another server's archive" in refused.stderr
        assert len(bases(server)) == 1

    @pytest.mark.faults
    def test_knows_its_archive_after_the_disk_was_full_at_its_first_copy(self, server: ArchivingServer) -> None:
        folder = server.archive / "base"
        with small_disk(folder, 4):
            folder.chmod(0o777)
            (folder / "something").write_text("of somebody's")
            assert server.run(page_line("base-backup")).returncode != 0
            (folder / "something").unlink()
            refused = server.run(page_line("base-backup"))  # there is still no room for a copy
            assert refused.returncode != 0
            assert "is another server's archive" not in refused.stderr

    def test_keeps_two_weeks_and_what_they_need(self, server: ArchivingServer) -> None:
        (first,) = bases(server)
        server.ask("INSERT INTO words VALUES ('between')")
        server.pass_minute()
        needed_by_first = segments_from_base(server)
        assert needed_by_first
        time.sleep(1)  # base backups have the names of their seconds
        server.back_up()
        assert len(bases(server)) == 2
        assert needed_by_first <= set(names(server.archive / "wal"))

        age(first)
        time.sleep(1)
        server.back_up()
        assert first not in bases(server)
        assert len(bases(server)) == 2
        assert not needed_by_first & set(names(server.archive / "wal"))
        server.lose_disk()
        assert server.recover("latest").returncode == 0
        server.await_moment()
        assert words(server) == "first between"

    def test_keeps_what_the_copies_of_its_new_history_need_beside_one_of_the_old(self, server: ArchivingServer) -> None:
        (first,) = bases(server)
        moment = server.note_moment()
        for _ in range(5):
            server.ask("INSERT INTO words VALUES ('mistaken')")
            server.pass_minute()
        server.back_up()
        server.stop()
        assert server.recover(moment).returncode == 0
        server.await_moment()
        server.ask("SELECT pg_promote()")  # by hand: the copy of the old history remains
        server.back_up()
        server.pass_minute()
        needed = segments_from_base(server, timeline=2)
        assert needed

        age(first)
        time.sleep(1)
        server.back_up()
        assert first not in bases(server)
        assert needed <= set(names(server.archive / "wal"))
