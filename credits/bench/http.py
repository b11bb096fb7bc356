"""The web server of the bench, and a load generator: one process, an event loop, raw sockets, connections kept alive.

A thread or an `http.client` for each connection would take more of the machine than the server that it measures.
"""

import json
import os
import random
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

from django.conf import settings
from django.db import connections

from credits import services
from credits.bench import database
from credits.bench.clients import Throughput, percentile_ms
from credits.bench.dataset import PLAN, Dataset, account_id
from credits.bench.errors import BenchError
from credits.bench.operations import LARGEST_QUANTITY, MODEL, OPERATION, TTL_SECONDS
from smartspec import clock
from smartspec.users import services as users_services
from smartspec.users.models import User

READY_TIMEOUT_SECONDS = 60
ANSWER_TIMEOUT_SECONDS = 10
THREADS = 16  # as run_local serves

MakeRequest = Callable[[random.Random], bytes]


@dataclass(frozen=True)
class Server:
    """A running web server, and keys to call it with."""

    port: int
    service_key: str
    long_key: str
    new_key: str


@contextmanager
def web_server(dataset: Dataset) -> Iterator[Server]:
    """Serve the bench's database as `run_local` serves the product's, and end it afterwards.

    :raises BenchError: it did not start.
    """
    now = clock.now()
    service_key = users_services.create_service_key(name="bench", scopes=["credits:spend"], now=now).secret
    # A key of one's own needs a plan with api_access: this opens an account, without an entry.
    services.set_plan(account_id=dataset.new, plan=PLAN, anchor_at=now, paid_until=None, source="bench", now=now)
    long_key, new_key = (
        users_services.create_user_key(user=User.objects.get(pk=one), name="bench", scopes=["read"], now=now).secret
        for one in (dataset.long, dataset.new)
    )
    connections.close_all()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="smartspec-bench-") as folder:
        log = Path(folder) / "web.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-m", "gunicorn", "credits.bench.web:application", "--bind", f"127.0.0.1:{port}"),
                    *("--worker-class", "gthread", "--threads", str(THREADS), "--log-level", "warning"),
                    *("--chdir", str(settings.BASE_DIR)),
                ],
                env=os.environ | {"BENCH_DATABASE": database.NAME},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, port, log)
            yield Server(port, service_key, long_key, new_key)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                probe.sendall(request("GET", "/healthz", ""))
                if probe.recv(20).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.1)
    raise BenchError(f"The web server did not start:\n{log.read_text()[-2000:]}")


def request(method: str, path: str, key: str, body: bytes = b"", extra: str = "") -> bytes:
    """Return the bytes of a request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Api-Key {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


def hold_order(path: str, key: str, accounts: int) -> MakeRequest:
    """Return what makes orders of a hold, each for another account and with another key, for a path."""

    def make(chance: random.Random) -> bytes:
        job = UUID(int=chance.getrandbits(128))
        order = {
            "user_id": str(account_id(chance.randint(1, accounts))),
            "operation": OPERATION,
            "model_id": MODEL,
            "quantity": chance.randint(1, LARGEST_QUANTITY),
            "reference_id": f"job-{job.hex[:8]}",
            "ttl_seconds": TTL_SECONDS,
        }
        return request("POST", path, key, json.dumps(order).encode(), f"Idempotency-Key: {job}\r\n")

    return make


class _Connection:
    """A connection that has one request under way at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, message: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(message)

    def read(self) -> str | None:
        """Read what is there; return the status once the answer is complete.

        :raises BenchError: the server closed the connection.
        """
        part = self.socket.recv(65_536)
        if not part:
            raise BenchError("the web server closed a connection")
        self.received += part
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.received[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return head[9:12].decode() if len(self.received) >= end + 4 + length else None


def load(port: int, make: MakeRequest, *, connections: int, seconds: float, expected: str) -> Throughput:
    """Keep so many connections busy for `seconds`.

    :raises BenchError: an answer had another status than `expected`.
    """
    chance = random.Random(time.monotonic())  # noqa: S311  no secret
    latencies: list[float] = []
    lines = [_Connection(port) for _ in range(connections)]
    cpu = time.process_time()
    begun = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for line in lines:
            waiting.register(line.socket, selectors.EVENT_READ, line)
            line.send(make(chance))
        under_way = len(lines)
        while under_way:
            ready = waiting.select(ANSWER_TIMEOUT_SECONDS)
            if not ready:
                raise BenchError("the web server does not answer")
            for selected, _ in ready:
                line = selected.data
                status = line.read()
                if status is None:
                    continue
                _check(line, status, expected)
                now = time.perf_counter()
                latencies.append(now - line.sent_at)
                if now < begun + seconds:
                    line.send(make(chance))
                else:
                    under_way -= 1
    elapsed = time.perf_counter() - begun
    for line in lines:
        line.socket.close()
    return Throughput(
        operations=len(latencies),
        per_second=len(latencies) / elapsed,
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        client_cpu_us=1e6 * (time.process_time() - cpu) / len(latencies),
    )


def latencies_in_turn(port: int, messages: list[bytes], *, seconds: float) -> list[float]:
    """Send the requests in turn on one connection, over and over; return the median milliseconds of each."""
    line = _Connection(port)
    times: list[list[float]] = [[] for _ in messages]
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not times[0]:
        for message, found in zip(messages, times, strict=True):
            line.send(message)
            while (status := line.read()) is None:
                pass
            _check(line, status, "200")
            found.append(time.perf_counter() - line.sent_at)
    line.socket.close()
    return [1000 * median(found) for found in times]


def _check(line: _Connection, status: str, expected: str) -> None:
    if status != expected:
        raise BenchError(f"the web server answered {status}: {line.received[-500:].decode(errors='replace')}")
