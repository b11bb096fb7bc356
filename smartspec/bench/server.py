"""The web server as it runs in production, on a bench's database."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connections

from smartspec.bench.errors import BenchError
from smartspec.bench.load import Connection, request

READY_TIMEOUT_SECONDS = 60
THREADS = 16  # as the Dockerfile and run_local have it


@dataclass(frozen=True)
class Served:
    """A running web server: its port, and the number of its first process."""

    port: int
    pid: int


@contextmanager
def serve(application: str, environment: dict[str, str], *, port: int | None = None) -> Iterator[Served]:
    """Serve a WSGI application with gunicorn, as the Dockerfile does, and end it afterwards.

    :raises BenchError: it did not start.
    """
    connections.close_all()
    port = port or free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "smartspec.server.PromptWorker", "--threads", str(THREADS), "--log-level", "warning"),
        *("--chdir", str(settings.BASE_DIR)),
    ]
    with running(command, environment) as (process, log):
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"The web server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield Served(port, process.pid)


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Run a program with variables of its own besides ours; yield it and the file with what it says; end it."""
    with tempfile.TemporaryDirectory(prefix="smartspec-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=settings.BASE_DIR,
                env=os.environ | environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield process, log
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(port: int) -> bool:
    try:
        return Connection(port).ask(request("GET", "/healthz")).status == 200
    except (OSError, BenchError):
        return False
