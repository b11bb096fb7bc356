"""The door to the process in which django-hordak runs."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from credits.bench.database import PEER_NAME
from smartspec.bench.errors import BenchError
from smartspec.bench.load import Throughput


def is_installed() -> bool:
    """Tell whether django-hordak is there (requirements-bench.txt)."""
    return importlib.util.find_spec("hordak") is not None


class Hordak:
    """A running hordak process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def read(self) -> str:
        """Return the next line that it says.

        :raises BenchError: it has ended.
        """
        assert self.process.stdout is not None  # noqa: S101  it was opened with a pipe
        line = self.process.stdout.readline()
        if not line:
            errors = self.process.stderr.read() if self.process.stderr is not None else ""
            raise BenchError(f"the hordak process ended: {errors[-2000:]}")
        return line.strip()

    def write(self, line: str) -> None:
        """Tell it something."""
        assert self.process.stdin is not None  # noqa: S101  it was opened with a pipe
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def run(self, kind: str, *, clients: int, seconds: float) -> Throughput:
        """Run `plain` or `guarded` transfers.

        :raises BenchError: one failed.
        """
        self.write(f"{kind} {clients} {seconds}")
        return Throughput(**json.loads(self.read()))


@contextmanager
def hordak(accounts: int) -> Iterator[Hordak]:
    """Start it in a database of its own, wait until its accounts are there, and end it afterwards."""
    database: dict[str, Any] = {key: settings.DATABASES["default"][key] for key in ("USER", "PASSWORD", "HOST", "PORT")}
    # Django's own engine, as hordak's users have it: ours reads settings of ours.
    database |= {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": PEER_NAME,
        "OPTIONS": settings.DATABASES["default"].get("OPTIONS", {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "credits.bench.hordak"],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        running = Hordak(process)
        running.write(json.dumps({"database": database, "accounts": accounts}))
        while running.read() != "ready":
            pass
        yield running
    finally:
        process.kill()
        process.wait()
