"""`make run`: one process tree that starts, tells what it is, survives being killed and ends with Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from smartspec import local
from smartspec.testing import Product, run_product

pytestmark = pytest.mark.xdist_group("product")


@pytest.fixture(scope="module")
def own_product() -> Iterator[Product]:
    """A product that these tests may kill."""
    with run_product(is_new=True) as running:
        yield running


def is_ready(product: Product) -> bool:
    with urllib.request.urlopen(f"{product.url}/readyz", timeout=10) as answer:  # noqa: S310
        return bool(answer.status == 200)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Return every process that was started with this data folder in its environment or command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(data_dir) in " ".join(process.cmdline()) + process.environ().get("SMARTSPEC_DATA_DIR", ""):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


class TestRunLocal:
    """One story, told in order: each test goes on where the one before it stopped."""

    def test_serves_and_tells_the_log_ins(self, own_product: Product) -> None:
        assert is_ready(own_product)
        for person in ("demo", "support", "admin"):
            assert re.search(rf"{person}@smartspec\.test / \S+", own_product.output)
        assert f"{own_product.url}/account/buy" in own_product.output
        assert f"{own_product.url}/sandbox/mail" in own_product.output

    def test_has_a_worker_that_a_health_check_hears_of(self, own_product: Product) -> None:
        note = (own_product.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
        way = {"DATABASE_URL": f"postgres://postgres@/{local.DATABASE_NAME}", "PGHOST": note[local.SOCKET_LINE]}
        check = [sys.executable, "-m", "smartspec.alive", "worker"]
        deadline = time.monotonic() + 60  # the product is there as soon as its web server answers
        while subprocess.run(check, env=own_product.environment | way, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(1)

    def test_refuses_a_busy_port_with_a_sentence(self, own_product: Product) -> None:
        with tempfile.TemporaryDirectory(prefix="smartspec-test-", ignore_cleanup_errors=True) as data_dir:
            result = Product(data_dir=Path(data_dir), port=own_product.port).manage("run_local")
        assert result.returncode == 1
        assert f"Port {own_product.port} is in use." in result.stderr
        assert is_ready(own_product)

    def test_starts_again_after_it_was_killed(self, own_product: Product) -> None:
        assert own_product.process is not None
        os.kill(own_product.process.pid, signal.SIGKILL)
        own_product.process.wait()
        own_product.start()
        assert is_ready(own_product)

    def test_starts_again_after_everything_was_killed_and_the_database_with_it(self, own_product: Product) -> None:
        assert own_product.process is not None
        postmaster = int((own_product.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        root = psutil.Process(own_product.process.pid)
        for process in [*root.children(recursive=True), root]:
            with suppress(psutil.NoSuchProcess):  # a child may end by itself when its parent has
                process.kill()
        os.kill(postmaster, signal.SIGKILL)
        own_product.process.wait()
        own_product.start()
        assert is_ready(own_product)

    def test_starts_though_another_process_has_the_number_of_the_killed_database(self, own_product: Product) -> None:
        own_product.stop()
        note = own_product.data_dir / "postgres" / "postmaster.pid"
        lines = [str(os.getpid()), str(note.parent), "1", "", str(note.parent), "", "1 1", "ready"]
        note.write_text("\n".join(lines) + "\n")
        own_product.start()
        assert is_ready(own_product)

    def test_ends_everything_with_ctrl_c(self, own_product: Product) -> None:
        assert own_product.stop() == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", own_product.port)) != 0
        assert processes_of(own_product.data_dir) == []
