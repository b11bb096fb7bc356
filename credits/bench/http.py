"""The web server of the bench, and what is asked of it."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from uuid import UUID

from credits import services
from credits.bench import database
from credits.bench.dataset import PLAN, Dataset, account_id
from credits.bench.operations import LARGEST_QUANTITY, MODEL, OPERATION, TTL_SECONDS
from smartspec import clock
from smartspec.bench.load import Connection, MakeVisit, check, once, request
from smartspec.bench.server import serve
from smartspec.users import services as users_services
from smartspec.users.models import User


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
    with serve("credits.bench.web:application", {"BENCH_DATABASE": database.NAME}) as served:
        yield Server(served.port, service_key, long_key, new_key)


def key_header(key: str) -> dict[str, str]:
    """Return the header by which a key is shown."""
    return {"Authorization": f"Api-Key {key}"}


def hold_order(path: str, key: str, accounts: int) -> MakeVisit:
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
        return request("POST", path, key_header(key) | {"Idempotency-Key": str(job)}, json.dumps(order).encode())

    return once(make)


def latencies_in_turn(port: int, messages: list[bytes], *, seconds: float) -> list[float]:
    """Send the requests in turn on one connection, over and over; return the median milliseconds of each."""
    line = Connection(port)
    times: list[list[float]] = [[] for _ in messages]
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not times[0]:
        for message, found in zip(messages, times, strict=True):
            check(line.ask(message))
            found.append(time.perf_counter() - line.sent_at)
    line.socket.close()
    return [1000 * median(found) for found in times]
