"""A load generator: one process, an event loop, raw sockets, connections kept alive.

A thread or an `http.client` for each connection would take more of the machine than the server that it measures; and
the ready-made programs send the same bytes again and again, where each hold, checkout and webhook must be another one.
"""

import random
import selectors
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from smartspec.bench.errors import BenchError

ANSWER_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Throughput:
    """Operations a second over all clients; a call's latencies, and CPU time an operation; 0 where it is not known."""

    operations: int
    per_second: float
    p50_ms: float
    p99_ms: float
    client_cpu_us: float
    server_cpu_us: float = 0.0
    p95_ms: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    body: bytes


# What a client does: it yields requests and is sent their answers. All of them together are one operation.
Visit = Generator[bytes, Answer, None]
MakeVisit = Callable[[random.Random], Visit]


def once(make: Callable[[random.Random], bytes]) -> MakeVisit:
    """Return visits of one request each."""

    def visit(chance: random.Random) -> Visit:
        yield make(chance)

    return visit


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return the bytes of a request for JSON."""
    given = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))} | (
        headers or {}
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """A connection that has one request under way at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0
        self.began_at = 0.0
        self.visit: Visit

    def send(self, message: bytes) -> None:
        """Send a request."""
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(message)

    def read(self) -> Answer | None:
        """Read what is there; return the answer once it is complete.

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
        body = self.received[end + 4 :]
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return Answer(int(head[9:12]), body) if len(body) >= length else None

    def ask(self, message: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self.send(message)
        while (answer := self.read()) is None:
            pass
        return answer

    def begin(self, visit: Visit) -> None:
        """Begin a visit with its first request."""
        self.visit, self.began_at = visit, time.perf_counter()
        self.send(next(visit))

    def go_on(self, answer: Answer) -> bool:
        """Tell the visit what was answered, and send its next request; False when it was the last."""
        try:
            message = self.visit.send(answer)
        except StopIteration:
            return False
        self.send(message)
        return True


def load(
    port: int,
    make_visit: MakeVisit,
    *,
    connections: int,
    seconds: float = float("inf"),
    operations: float = float("inf"),
) -> Throughput:
    """Keep so many connections busy, for so long or until so many operations were begun.

    :raises BenchError: an answer was none of success.
    """
    chance = random.Random(time.monotonic())  # noqa: S311  no secret
    latencies: list[float] = []
    lines = [Connection(port) for _ in range(int(min(connections, operations)))]
    cpu = time.process_time()
    begun_at = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for line in lines:
            waiting.register(line.socket, selectors.EVENT_READ, line)
            line.begin(make_visit(chance))
        begun = under_way = len(lines)
        while under_way:
            ready = waiting.select(ANSWER_TIMEOUT_SECONDS)
            if not ready:
                raise BenchError("the web server does not answer")
            for selected, _ in ready:
                line = selected.data
                answer = line.read()
                if answer is None:
                    continue
                check(answer)
                if line.go_on(answer):
                    continue
                now = time.perf_counter()
                latencies.append(now - line.began_at)
                if now < begun_at + seconds and begun < operations:
                    line.begin(make_visit(chance))
                    begun += 1
                else:
                    waiting.unregister(line.socket)
                    line.socket.close()
                    under_way -= 1
    elapsed = time.perf_counter() - begun_at
    return Throughput(
        operations=len(latencies),
        per_second=len(latencies) / elapsed,
        p50_ms=percentile_ms(latencies, 0.5),
        p95_ms=percentile_ms(latencies, 0.95),
        p99_ms=percentile_ms(latencies, 0.99),
        client_cpu_us=1e6 * (time.process_time() - cpu) / len(latencies),
    )


def percentile_ms(latencies: list[float], share: float) -> float:
    """Return a percentile of latencies in seconds, in milliseconds; 0 when there are none."""
    ordered = sorted(latencies)
    return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def check(answer: Answer) -> None:
    """Look whether an answer is one of success.

    :raises BenchError: it is not.
    """
    if not 200 <= answer.status < 300:
        raise BenchError(f"the web server answered {answer.status}: {answer.body[-500:].decode(errors='replace')}")
