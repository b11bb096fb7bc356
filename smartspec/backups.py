"""Backup and restore of the database, by Postgres's own pg_dump and pg_restore.

A backup is one file in pg_dump's custom format. Files in the bucket are not in it: `manage.py reconcile_media` compares
them with the database afterwards, as `reconcile_stripe` does with Stripe's side of every payment.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from django.conf import settings
from django.db import DatabaseError, connections
from psycopg import sql
from psycopg.pq import Conninfo

from smartspec import local
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users.models import User
from smartspec.watching import services as watching_services

# What the way to the database may be told by, and the variable by which Postgres's programs are told it: all that libpq
# itself knows.
LIBPQ = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}

# Postgres's own workers (autovacuum) come and go, and make way for what is dropped; they are nobody's. Of sessions of
# other roles a common role sees no more than whose they are.
OTHERS = """SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"""
LEAVE_WITHIN_SECONDS = 2.0  # a connection that was closed is seen for a moment longer
# Everything of ours stands in this schema; whoever owns the database may make it anew.
EMPTY_SCHEMA = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;\n"

ANY_USER = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(User._meta.db_table))

Way = dict[str, Any]
Progress = Callable[[str], None]
log = get_logger(__name__)


class BackupFailed(DomainError):
    """Postgres's tools did not do it; the sentence is theirs."""

    code = "backup_failed"
    status = 500
    title = "Backup failed"


def back_up(*, path: Path, now: datetime, on_progress: Progress) -> int:
    """This will write a consistent copy of the whole database to `path`, while others go on, and return its bytes.
    Operators are told when the last one is too old (`backed_up`).

    The file appears under its name when it is complete, readable by its owner alone.

    :raises BackupFailed: Postgres's tools are of another version, the disk is full, the file exists or may not be
        written there, the way to the database leads through PgBouncer, or to one without our tables.
    """
    if path.exists():
        raise BackupFailed(f"{path} exists already; a backup never overwrites another.")
    server = find_server()
    _refuse_a_strange_database(server)
    partial = _make_private(path)
    try:
        with partial.open("wb") as file:
            _run(
                [_tool("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--verbose"],
                file,
                on_progress,
                environment=_environment(server),
            )
            os.fsync(file.fileno())  # what bears the name of a backup is one, also after the power failed
        if path.exists():
            raise BackupFailed(f"{path} exists already: another backup came to its end first.")
        partial.rename(path)
    except OSError as error:
        raise BackupFailed(f"{path.absolute()} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    size_bytes = path.stat().st_size
    try:
        detail = f"{path.name}, {size_bytes / 1e6:,.1f} MB"
        watching_services.record_proof(name="backed_up", holds=True, detail=detail, now=now)
    except DatabaseError as error:  # a standby, or a database whose disk is full, is backed up all the same
        log.warning("Backup not noted", error=str(error))
    return size_bytes


def restore(*, path: Path, replace: bool, on_progress: Progress) -> None:
    """This will put the database back to what it was at a backup: everything or, if anything goes wrong, nothing.

    What is in the database now is gone afterwards. Nobody else may be connected.

    :raises BackupFailed: the database has users and `replace` does not give them up, somebody is connected, the file is
        no backup, the way to the database leads through PgBouncer.
    """
    if not path.is_file():
        raise BackupFailed(f"There is no file {path}.")
    server = find_server()
    if not replace and _has_users(server):
        raise BackupFailed("This database has users. Nothing was changed; --replace gives up what it holds now.")
    connections.close_all()
    others = _count_others(server)
    deadline = time.monotonic() + LEAVE_WITHIN_SECONDS
    while others and time.monotonic() < deadline:
        time.sleep(0.1)
        others = _count_others(server)
    if others:
        raise BackupFailed(
            f"Others are connected to this database ({others}): stop web server, worker and PgBouncer first.",
            connections=others,
        )
    _pour(path, server, on_progress)


def _pour(path: Path, server: Way, on_progress: Progress) -> None:
    """Lead what pg_restore reads out of the file into psql, as one transaction: COMMIT comes when all of it was read.

    The empty schema comes first: pg_restore alone can empty only what the backup knows of.
    """
    read = [_tool("pg_restore"), "--file=-", "--no-owner", "--no-privileges", "--exit-on-error", "--verbose", str(path)]
    write = [_tool("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
    failure: Exception | None = None
    with tempfile.TemporaryFile() as said:
        psql = subprocess.Popen(  # noqa: S603 - a fixed program with arguments of our own
            write, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=_environment(server)
        )
        with psql, suppress(BrokenPipeError), cast(IO[bytes], psql.stdin) as pipe:  # it may end early, and says why
            pipe.write(f"BEGIN; {EMPTY_SCHEMA}".encode())
            pipe.flush()
            try:
                _run(read, pipe, on_progress, environment=dict(os.environ))
            except BackupFailed as error:
                failure = error
            else:
                pipe.write(b"COMMIT;\n")
        if psql.returncode:
            said.seek(0)
            raise BackupFailed(f"psql: {' '.join(said.read().decode(errors='replace').split())}") from failure
    if failure:
        raise failure


def find_server() -> Way:
    """Return the way to the one server that answers, so that all that follows is asked of, and done to, no other: of
    several hosts psycopg and Postgres's programs may choose differently, and of none each has a default of its own.

    :raises BackupFailed: none answers, or PgBouncer does: Postgres's tools set the search path and more for the
        session, which it then hands on to web servers.
    """
    way = way_to_database()
    try:
        with psycopg.connect(**way) as session:
            (answering,) = session.execute("SELECT pg_backend_pid()").fetchone() or (None,)
            found = session.info
            is_pooled = answering != found.backend_pid
            here = {"host": found.host, "hostaddr": found.hostaddr, "port": str(found.port)}
    except psycopg.Error as error:
        raise BackupFailed(str(error).strip()) from error
    if is_pooled:
        raise BackupFailed(
            "The way to the database leads through PgBouncer: set DATABASE_DIRECT_URL to the way past it."
        )
    return way | here


def _refuse_a_strange_database(server: Way) -> None:
    """A backup of nothing would be missed on the day when it is needed.

    :raises BackupFailed: the database has none of our tables.
    """
    with psycopg.connect(**server) as session:
        if not _has_our_tables(session):
            raise BackupFailed(
                f"The database {session.info.dbname} on {session.info.host} has none of our tables: does this shell"
                " have the server's environment?"
            )


def _has_users(server: Way) -> bool:
    with psycopg.connect(**server) as session:
        return _has_our_tables(session) and session.execute(ANY_USER).fetchone() is not None


def _has_our_tables(session: psycopg.Connection[Any]) -> bool:
    return session.execute("SELECT to_regclass(%s)", [User._meta.db_table]).fetchone() != (None,)


def _make_private(path: Path) -> Path:
    """Make an empty file beside a path, for its owner's eyes alone and of no other backup that runs, and return it.

    :raises BackupFailed: nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise BackupFailed(f"{path.absolute()} cannot be written: {error.strerror}.") from error
    os.close(handle)
    return Path(name)


def _count_others(server: Way) -> int:
    with psycopg.connect(**server) as session:
        (others,) = session.execute(OTHERS).fetchone() or (0,)
        return int(others)


def _tool(name: str) -> str:
    """Return one of Postgres's programs: for a server of one's own what the machine has, else the embedded server's."""
    return (settings.DATABASE_GIVEN and shutil.which(name)) or str(local.program(name))


def _environment(server: Way) -> dict[str, str]:
    """Return what tells Postgres's programs the way, where nobody reads it: the list of processes shows arguments."""
    return os.environ | {LIBPQ[name]: value for name, value in server.items()}


def _run(command: list[str], output: Any, on_progress: Progress, *, environment: dict[str, str]) -> None:
    """Run a program and tell which table it is at.

    :raises BackupFailed: with its last words.
    """
    said: deque[str] = deque(maxlen=5)
    with subprocess.Popen(  # noqa: S603 - a fixed program with arguments of our own
        command, stdout=output, stderr=subprocess.PIPE, env=environment, text=True, errors="replace"
    ) as process:
        for line in process.stderr or ():
            said.append(line.strip())
            if "dumping contents of table" in line or "processing data for table" in line:
                on_progress(line.split()[-1].strip('"'))
    if process.returncode:
        raise BackupFailed(f"{Path(command[0]).name}: {' '.join(said) or 'it ended without a word.'}")


def way_to_database() -> Way:
    """Return how Postgres's programs reach the database, past PgBouncer, in libpq's words."""
    database: dict[str, Any] = settings.DATABASE_DIRECT or settings.DATABASES["default"]
    way = {
        "host": database.get("HOST"),
        "port": database.get("PORT"),
        "user": database.get("USER"),
        "password": database.get("PASSWORD"),
        "dbname": database["NAME"],
    }
    options = database.get("OPTIONS", {})
    way |= {name: options[name] for name in LIBPQ if name in options}
    return {name: str(value) for name, value in way.items() if value}
