"""The four parts of a run: load at growing numbers of connections, intake beside dj-stripe's, a burst, and memory."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psutil
from django.conf import settings
from django.db import connection

from billing.models import Purchase, Webhook
from billing.sandbox.bench import visits
from billing.sandbox.bench.people import Cast, Progress, buy_many
from credits import selectors as credits_selectors
from smartspec.bench.errors import BenchError
from smartspec.bench.load import Throughput, load
from smartspec.bench.server import free_port, running, serve

BURST_CONNECTIONS = 64
BURST_PATIENCE_SECONDS = 600
WORKER_PATIENCE_SECONDS = 60
MEMORY_CONNECTIONS = 16
WARM_UP_OPERATIONS = 20
PARTS = 10
SHOWN_EVERY_SECONDS = 5
VERIFIED_ACCOUNTS = 20
MEGABYTE = 1_000_000

INTAKE_MUST = 5.0
BURST_MUST_SECONDS = 60.0
GROWTH_MUST = 1.10


@dataclass(frozen=True)
class Must:
    """A figure, and what it must be."""

    label: str
    value: float
    must: float
    unit: str = ""
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Tell whether it is good enough."""
        return self.value <= self.must if self.at_most else self.value >= self.must


@dataclass(frozen=True)
class Site:
    """The running product: where, and with which variables."""

    port: int
    pid: int
    environment: dict[str, str]


@dataclass(frozen=True)
class Memory:
    """What web server and worker had for themselves after so many operations, in bytes."""

    operations: int
    web_bytes: int
    worker_bytes: int


@contextmanager
def open_site() -> Iterator[Site]:
    """Serve the product on the bench's database."""
    port = free_port()
    environment = {
        "DJANGO_SETTINGS_MODULE": "billing.sandbox.bench.settings",
        "BENCH_DATABASE": settings.DATABASES["default"]["NAME"],
        "BENCH_STRIPE_MS": "0",
        "PORT": str(port),
        "SMARTSPEC_LOG_FORMAT": "json",
    }
    with serve("smartspec.wsgi", environment, port=port) as served:
        yield Site(served.port, served.pid, environment)


def growth(
    site: Site, cast: Cast, *, counts: tuple[int, ...], seconds: float, progress: Progress
) -> dict[str, dict[int, Throughput]]:
    """Return how each kind of visit goes at each number of connections."""
    seen: dict[str, dict[int, Throughput]] = {}
    for name, make in visits.of(cast).items():
        load(site.port, make, connections=1, operations=WARM_UP_OPERATIONS)
        for clients in counts:
            result = load(site.port, make, connections=clients, seconds=seconds)
            seen.setdefault(name, {})[clients] = result
            progress(f"{name}, {clients} connections: {result.per_second:,.0f} a second, p99 {result.p99_ms:.0f} ms")
    return seen


def intake(
    site: Site, cast: Cast, *, rounds: int, payments: int, progress: Progress
) -> tuple[Must, list[tuple[Throughput, Throughput]]]:
    """Return webhooks a second, ours beside dj-stripe's own view, on one connection, right after each other.

    Each webhook is of another payment. dj-stripe's view copies what it is about before it answers; it does not wait for
    a network here, since Stripe is the sandbox in its own process.
    """
    progress(f"{2 * rounds * payments:,} payments")
    events = buy_many(cast, 2 * rounds * payments)
    paths = (visits.INTAKE, cast.peer_path)
    for path in paths:  # dj-stripe's first webhook fetches the account, too
        load(site.port, visits.each_webhook([cast.event], path), connections=1, operations=1)
    seen = []
    for round_number in range(1, rounds + 1):
        pair = []
        for path in paths:
            brought, events = events[:payments], events[payments:]
            pair.append(load(site.port, visits.each_webhook(brought, path), connections=1, operations=payments))
        progress(f"intake, round {round_number}: " + ", ".join(f"{one.per_second:,.1f} a second" for one in pair))
        seen.append((pair[0], pair[1]))
    ratio = median(our.per_second / peer.per_second for our, peer in seen)
    return Must("webhook intake / dj-stripe's own view", ratio, INTAKE_MUST, " times"), seen


def burst(site: Site, cast: Cast, *, payments: int, stripe_ms: int, progress: Progress) -> Must:
    """Return how long it takes until webhooks of so many payments, brought at once, have all had their effect, by a
    worker whose Stripe thinks for so long before every answer.

    :raises BenchError: they never had.
    """
    progress(f"{payments:,} payments")
    events = buy_many(cast, payments)
    ids = [event["id"] for event in events]
    sessions = [event["data"]["object"]["id"] for event in events]
    forget_jobs()
    with worker(site, stripe_ms=stripe_ms) as process:
        begun_at = time.monotonic()
        brought = load(
            site.port, visits.each_webhook(events, visits.INTAKE), connections=BURST_CONNECTIONS, operations=payments
        )
        progress(f"brought in {time.monotonic() - begun_at:.1f} s, p99 {brought.p99_ms:.0f} ms")
        shown_at = begun_at
        while left := Webhook.objects.filter(event_id__in=ids, processed_at=None).count():
            if time.monotonic() > shown_at + SHOWN_EVERY_SECONDS:
                shown_at = time.monotonic()
                progress(f"{left:,} webhooks without effect after {shown_at - begun_at:.0f} s")
            if time.monotonic() > begun_at + BURST_PATIENCE_SECONDS or not process.is_running():
                raise BenchError(f"{left} webhooks never had their effect")
            time.sleep(0.25)
        elapsed = time.monotonic() - begun_at
    fulfilled = Purchase.objects.filter(session_id__in=sessions, state="fulfilled").count()
    if fulfilled != payments:
        raise BenchError(f"{payments - fulfilled} paid purchases were not fulfilled")
    return Must(
        f"{payments:,} webhooks in a burst, all effective after", elapsed, BURST_MUST_SECONDS, " s", at_most=True
    )


def memory(site: Site, cast: Cast, *, operations: int, progress: Progress) -> tuple[list[Must], list[Memory]]:
    """Return how the memory of web server and worker grew over so many operations of all kinds."""
    forget_jobs()
    make = visits.mixture(visits.of(cast))
    seen = []
    with worker(site) as process:
        for part in range(1, PARTS + 1):
            result = load(site.port, make, connections=MEMORY_CONNECTIONS, operations=operations // PARTS)
            wait_for_jobs()
            one = Memory(part * (operations // PARTS), own_bytes(psutil.Process(site.pid)), own_bytes(process))
            progress(
                f"{one.operations:,} operations, {result.per_second:,.0f} a second: web server"
                f" {one.web_bytes / MEGABYTE:.1f} MB, worker {one.worker_bytes / MEGABYTE:.1f} MB"
            )
            seen.append(one)
    label = f"memory after {seen[-1].operations:,} operations / after {seen[0].operations:,}"
    musts = [
        Must(f"{whose}: {label}", getattr(seen[-1], name) / getattr(seen[0], name), GROWTH_MUST, " times", at_most=True)
        for whose, name in (("web server", "web_bytes"), ("worker", "worker_bytes"))
    ]
    return musts, seen


def verify(cast: Cast) -> None:
    """Look whether the books of some people add up: speed that breaks them would be worth nothing.

    :raises BenchError: they do not.
    """
    for person in cast.people[:VERIFIED_ACCOUNTS]:
        faults = credits_selectors.verify_account(account_id=person.user.pk)
        if faults:
            raise BenchError(f"The books do not add up after the run: {faults[0]}")


# --- The worker, and its queue ------------------------------------------------------------------------------------


@contextmanager
def worker(site: Site, *, stripe_ms: int = 0) -> Iterator[psutil.Process]:
    """Run the product's worker on the bench's database, once it has said that it is there.

    :raises BenchError: it never did.
    """
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    environment = site.environment | {"BENCH_STRIPE_MS": str(stripe_ms)}
    with running([sys.executable, "manage.py", "procrastinate", "worker"], environment) as (process, log):
        deadline = time.monotonic() + WORKER_PATIENCE_SECONDS
        while not count("FROM procrastinate_workers"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"The worker did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield psutil.Process(process.pid)


def forget_jobs() -> None:
    """Empty the queue of what earlier parts have left."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def wait_for_jobs() -> None:
    """Wait until no job is due."""
    while count(
        "FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND (scheduled_at IS NULL OR scheduled_at <= now())"
    ):
        time.sleep(0.2)


def count(rows: str) -> int:
    """Return how many rows of ours there are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {rows}")
        return int(cursor.fetchone()[0])


def own_bytes(process: psutil.Process) -> int:
    """Return what a process and its children have in memory that nobody shares."""
    return sum(one.memory_full_info().uss for one in (process, *process.children(recursive=True)))
