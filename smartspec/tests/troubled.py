"""A server with troubles, over a real socket: it stands before a service and answers as services do on a bad day."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connections

TOO_MANY = b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}'
BROKEN = b'{"error": {"type": "api_error", "message": "An unknown error occurred."}}'
GARBAGE = b"<html><body>Please log in to this network.</body></html>"
NONSENSE = {"garbage": GARBAGE, "stranger": b'{"ok": true}', "null": b"null", "empty": b""}
SLOW_SECONDS = 0.3
NEVER_SECONDS = 30

# Each is how an answer goes wrong. In the last two the request was obeyed, and whoever asked does not know.
TROUBLES = ("429", "500", "503", "garbage", "stranger", "null", "empty", "closed", "never", "half", "lost")
Forward = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]


@dataclass
class Troubled:
    """The server: where it is, what ails it at present (None: nothing), and what it was asked."""

    url: str
    trouble: str | None = None
    asked: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def before(forward: Forward) -> Iterator[Troubled]:
    """Stand before a service of this process, which is asked on the test's own database connection."""
    own_connection = connections["default"]
    is_forwarding = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            troubled.asked.append(f"{self.command} {self.path}")
            trouble = troubled.trouble
            if trouble == "slow":
                time.sleep(SLOW_SECONDS)
            if trouble in ("429", "500", "503"):
                return self.answer(int(trouble), {}, TOO_MANY if trouble == "429" else BROKEN)
            if trouble in NONSENSE:
                return self.answer(200, {}, NONSENSE[trouble])
            if trouble == "never":
                troubled.is_over.wait(NEVER_SECONDS)
            if trouble in ("closed", "never"):
                self.close_connection = True
                return None
            status, headers, answer = self.ask(body)
            if trouble == "lost" or (trouble == "half" and (self.command == "HEAD" or not answer)):
                self.close_connection = True
                return None
            return self.answer(status, headers, answer, is_half=trouble == "half")

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one  # noqa: N815 - named by the library

        def ask(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            connections["default"] = own_connection
            with is_forwarding:  # the connection takes one at a time
                return forward(self.command, self.path, dict(self.headers.items()), body)

        def answer(self, status: int, headers: Mapping[str, str], body: bytes, *, is_half: bool = False) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if is_half else body)
            self.close_connection = self.close_connection or is_half

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    own_connection.inc_thread_sharing()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    troubled = Troubled(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield troubled
    finally:
        troubled.is_over.set()
        server.shutdown()
        server.server_close()
        own_connection.dec_thread_sharing()


def assert_one_too_many_is_refused(
    silent: Troubled, call: Callable[[], Any], *, calls_at_once: int, refusal: type[Exception]
) -> None:
    """As many calls as may wait for a server that never answers do; one more is refused and not sent, as all are in
    the end."""
    silent.trouble = "never"
    refusals: list[Exception] = []

    def ask() -> None:
        with pytest.raises(refusal) as raised:
            call()
        refusals.append(raised.value)

    threads = [threading.Thread(target=ask) for _ in range(calls_at_once)]
    for thread in threads:
        thread.start()
    while len(silent.asked) < calls_at_once:
        time.sleep(0.01)
    ask()
    assert (len(refusals), len(silent.asked)) == (1, calls_at_once)
    silent.is_over.set()
    for thread in threads:
        thread.join()
    assert len(refusals) == calls_at_once + 1
