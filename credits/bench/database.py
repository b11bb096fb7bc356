"""A database of the bench's own, on the server that the settings name; what the server is, and what it counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from psycopg import sql

from smartspec import local
from smartspec.bench.errors import BenchError

NAME = "smartspec_bench"
PEER_NAME = "smartspec_bench_peer"
SHOWN_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "max_connections",
)
TABLES = "relname LIKE 'credits\\_%%'"


@contextmanager
def bench_database(*, durable: bool = False) -> Iterator[None]:
    """Let Django use a new, migrated database; drop it afterwards. What a killed bench left behind is dropped first.

    `durable` gives the embedded server the fsync back that tests, which need not outlive a crash, have taken from it.

    :raises BenchError: another bench runs on this server, or the role may not create databases.
    """
    own_name = settings.DATABASES["default"]["NAME"]
    with _maintenance() as server:
        locked = server.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [NAME]).fetchone()
        if locked != (True,):
            raise BenchError("Another bench is running on this server.")
        if durable and not settings.DATABASE_GIVEN:
            server.execute("ALTER SYSTEM RESET fsync")
            server.execute("SELECT pg_reload_conf()")
        try:
            for name in (NAME, PEER_NAME):
                _drop(server, name)
                server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise BenchError(f"The bench makes a database of its own, and may not: {error}") from error
        use_database(NAME)
        try:
            for app in ("users", "credits"):
                call_command("migrate", app, verbosity=0)
            yield
        finally:
            use_database(own_name)
            for name in (NAME, PEER_NAME):
                _drop(server, name)


def use_database(name: str) -> None:
    """Let Django's default connection use database `name` from now on."""
    connections.close_all()
    settings.DATABASES["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


def libpq_environment() -> dict[str, str]:
    """Return the variables by which a program of Postgres's own finds the bench's database."""
    database = settings.DATABASES["default"]
    options = database.get("OPTIONS", {})
    found = {
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"] or ""),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": NAME,
        "PGSSLMODE": options.get("sslmode", ""),
        "PGSSLROOTCERT": options.get("sslrootcert", ""),
    }
    return {name: value for name, value in found.items() if value}


def bin_folder() -> Path | None:
    """Return the folder of the embedded server's programs, or None when the server is a given one."""
    return None if settings.DATABASE_GIVEN else Path(local.start_postgres(settings.DATA_DIR).bin_path)


def server_facts() -> dict[str, str]:
    """Return the server's version and the settings that decide how fast it can be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting || coalesce(' × ' || unit, '') FROM pg_settings WHERE name = ANY (%s)",
            [list(SHOWN_SETTINGS)],
        )
        return dict(sorted(cursor.fetchall()))


def server_cpu_seconds() -> float | None:
    """Return the CPU time of the embedded server and all it ever started; None for a given server."""
    if settings.DATABASE_GIVEN:
        return None
    info = local.start_postgres(settings.DATA_DIR).get_postmaster_info()
    total = 0.0
    try:
        postmaster = psutil.Process(info.pid)
        own = postmaster.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for backend in postmaster.children():
            times = backend.cpu_times()
            total += times.user + times.system
    except psutil.NoSuchProcess:
        pass  # a backend ended between the two looks; its time is the postmaster's from now on
    return total


def execute(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Run one statement in the bench's database and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def ledger_bytes() -> int:
    """Return the size of all tables and indexes of the ledger."""
    execute("SELECT pg_stat_clear_snapshot()")
    ((size,),) = execute(f"SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND {TABLES}")  # noqa: S608
    return int(size)


def updates(table: str) -> tuple[int, int]:
    """Return how many updates a table has seen, and how many of them were HOT (touched no index)."""
    execute("SELECT pg_stat_clear_snapshot()")
    ((all_of_them, hot),) = execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table]
    )
    return int(all_of_them), int(hot)


def _maintenance() -> psycopg.Connection:
    database = settings.DATABASES["default"]
    try:
        return psycopg.connect(
            host=database["HOST"] or None,
            port=database["PORT"] or None,
            user=database["USER"] or None,
            password=database["PASSWORD"] or None,
            dbname="postgres",
            autocommit=True,
            **database.get("OPTIONS", {}),
        )
    except psycopg.OperationalError as error:
        raise BenchError(f"The database server does not answer: {error}") from error


def _drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
