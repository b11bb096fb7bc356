"""Clients that send a byte now and then, as many as the server has threads: everybody else is served all the same."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from django.conf import settings

from smartspec.bench.server import free_port
from smartspec.server import ANSWER_TIMEOUTS

THREADS, TIMEOUT_SECONDS = 2, 2
SLOW_HEADERS = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
SLOW_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server as in production, but for how many threads it has, and for how long it waits."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "smartspec.tests.reading", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "smartspec.server.PromptWorker", "--threads", str(THREADS)),
        *("--timeout", str(TIMEOUT_SECONDS), "--log-level", "warning"),
    ]
    server = subprocess.Popen(command, cwd=settings.BASE_DIR)
    try:
        until = time.monotonic() + 30
        while True:
            with suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            assert time.monotonic() < until
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(10)


class Slow(threading.Thread):
    """A client that sends the beginning of a request, and then a byte every so often, until nobody listens."""

    def __init__(self, port: int, beginning: bytes) -> None:
        super().__init__(daemon=True)
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.beginning, self.began = beginning, time.monotonic()
        self.held_seconds = 0.0

    def run(self) -> None:
        self.connection.sendall(self.beginning)
        with suppress(OSError):
            while time.monotonic() - self.began < 60:
                time.sleep(0.2)
                self.connection.sendall(b"x")
        self.held_seconds = time.monotonic() - self.began


@pytest.mark.parametrize("beginning", [SLOW_HEADERS, SLOW_BODY], ids=["headers", "body"])
def test_do_not_hold_the_server(port: int, beginning: bytes) -> None:
    slow = [Slow(port, beginning) for _ in range(THREADS)]
    for client in slow:
        client.start()
    time.sleep(0.5)  # each of them has a thread
    assert requests.post(f"http://127.0.0.1:{port}/", b"quick", timeout=8).text == "5"
    for client in slow:
        client.join(15)
        assert TIMEOUT_SECONDS <= client.held_seconds < 10


@pytest.mark.long
def test_a_client_that_reads_a_byte_now_and_then_does_not_hold_the_server(port: int) -> None:
    readers = [socket.create_connection(("127.0.0.1", port)) for _ in range(THREADS)]
    try:
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)  # each of them has a thread
        with pytest.raises(requests.Timeout):
            requests.post(f"http://127.0.0.1:{port}/", b"quick", timeout=2)
        until = time.monotonic() + ANSWER_TIMEOUTS * TIMEOUT_SECONDS + 5
        answer = None
        while answer is None and time.monotonic() < until:
            for reader in readers:
                reader.recv(1)
            with suppress(requests.Timeout):
                answer = requests.post(f"http://127.0.0.1:{port}/", b"quick", timeout=1).text
        assert answer == "5"
    finally:
        for reader in readers:
            reader.close()


def test_a_client_that_is_only_hesitant_is_served(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=8) as connection:
        connection.sendall(SLOW_BODY.replace(b"100000", b"5000"))
        for _ in range(5):
            time.sleep(0.2)
            connection.sendall(b"x" * 1000)
        answer = connection.makefile("rb").readline()
        assert answer.startswith(b"HTTP/1.1 200")
