"""The embedded Postgres, found in the middle of something by whoever comes next."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from smartspec import local


@pytest.mark.parametrize("status", ["starting", "stopping"])
def test_a_server_that_is_not_ready_yet_is_waited_for(status: str, tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)", str(tmp_path)])
    note = tmp_path / "postmaster.pid"
    lines = [str(server.pid), str(tmp_path), "0", "5432", "", "", ""]
    note.write_text("\n".join([*lines, status]))
    ready = threading.Timer(0.4, lambda: note.write_text("\n".join([*lines, "ready   "])))
    ready.start()
    asked_at = time.monotonic()
    try:
        local.wait_while_it_changes(tmp_path)
        assert 0.3 < time.monotonic() - asked_at < 10
    finally:
        ready.join()
        server.kill()
        server.wait()


def test_no_server_is_not_waited_for(tmp_path: Path) -> None:
    local.wait_while_it_changes(tmp_path)
    (tmp_path / "postmaster.pid").write_text("999999\n")
    local.wait_while_it_changes(tmp_path)
