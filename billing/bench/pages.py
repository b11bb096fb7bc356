"""A database of many people, and how long the pages of the back-office take in it."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from credits import services as credits_services
from smartspec.admin.lists import HugeAdmin
from smartspec.users.models import User

ENTRIES_PER_DAY_OF_LIFE = 8  # each person has as many days
WARM_UP = 3
# Reading so many takes 20 ms, and lists count up to 10,000 rows; every larger table must be reached by an index.
SMALL_ROWS = 50_000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """How long a page took, in milliseconds, and which large tables it read from end to end, by an index or without."""

    name: str
    median_ms: float
    slowest_ms: float
    queries: int
    read_whole: list[str]


def load(*, users: int, now: datetime, progress: Progress) -> int:
    """Fill the database with so many people and their life, and return how many entries they have."""
    values: dict[str, int | datetime] = {"users": users, "per_day": ENTRIES_PER_DAY_OF_LIFE, "now": now}
    statements = (Path(__file__).parent / "people.sql").read_text().split(";\n")
    with connection.cursor() as cursor:
        cursor.execute("SET work_mem = '256MB'")
        for statement in filter(str.strip, statements):
            first = next(line for line in statement.strip().splitlines() if not line.startswith("--"))
            progress(first[:60])
            cursor.execute(statement, values)
        progress("VACUUM ANALYZE")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT count(*) FROM credits_entry")
        (entries,) = cursor.fetchone()
    return int(entries)


def count_days(*, now: datetime) -> tuple[float, float]:
    """Return how many seconds the first count of all days takes, and how many that of every minute."""
    started = time.perf_counter()
    credits_services.count_days(now=now, days=31)
    first = time.perf_counter() - started
    started = time.perf_counter()
    credits_services.count_days(now=now)
    return first, time.perf_counter() - started


def measure(*, rounds: int) -> Iterator[Measured]:
    """Ask for the pages that staff look at most, and yield how long each took."""
    yield from ask(pages(someone().pk), rounds=rounds)


def measure_filters(*, rounds: int) -> Iterator[Measured]:
    """Ask for every choice of every filter of every list, and yield how long each took."""
    yield from ask(filters(someone().pk), rounds=rounds)


def someone() -> User:
    """Return one person of the many."""
    return User.objects.get(email="person4242@bench.test")


def onlooker() -> User:
    """Return somebody who may see everything."""
    return User.objects.filter(is_superuser=True).first() or User.objects.create_superuser("bench@bench.test")


def ask(addresses: dict[str, str], *, rounds: int) -> Iterator[Measured]:
    """Ask for each page, first some times to warm up, and yield how long it took."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(onlooker())
    for name, url in addresses.items():
        for _ in range(WARM_UP):
            answer = client.get(url)
            if answer.status_code not in (200, 302):
                raise RuntimeError(f"{url} answers {answer.status_code}")
        before = rows_read()
        queries = count_queries(client, url)
        after = rows_read()
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            client.get(url)
            times.append((time.perf_counter() - started) * 1000)
        read_whole = sorted(table for table, (rows, read) in after.items() if read - before[table][1] >= rows)
        yield Measured(name, statistics.median(times), max(times), queries, read_whole)


def pages(user_id: UUID) -> dict[str, str]:
    person = f"/admin/people/{user_id}/"
    return {
        "home": "/admin/",
        "find by e-mail": "/admin/people/?q=person4242@bench.test",
        "find by part of an e-mail": "/admin/people/?q=person42",
        "find by name": "/admin/people/?q=bench4242",
        "find by payment intent": "/admin/people/?q=pi_bench4242-3",
        "a person": person,
        "a person's entries": f"{person}?show=entries",
        "a person's balance at a date": f"{person}?at=2026-01-01T00:00",
        "adjust credits": f"{person}adjust-credits/",
        "list of users": "/admin/users/user/",
        "list of entries": "/admin/credits/entry/",
        "list of entries of a person": f"/admin/credits/entry/?q={user_id}",
        "list of accounts": "/admin/credits/account/",
        "list of purchases": "/admin/billing/purchase/",
        "list of subscriptions": "/admin/billing/subscription/",
        "list of webhooks": "/admin/billing/webhook/",
        "list of staff actions": "/admin/users/staffaction/",
    }


def filters(user_id: UUID) -> dict[str, str]:
    """Return every choice of every filter; of lists that are filtered only after a search, among a person's rows."""
    found = {}
    for model, page in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        request = RequestFactory().get(address, {"q": str(user_id)} if isinstance(page, HugeAdmin) else {})
        request.user = onlooker()
        changes = page.get_changelist_instance(request)
        for spec in changes.filter_specs:
            for choice in spec.choices(changes):
                name = f"{model._meta.verbose_name_plural}: {spec.title} {choice['display']}"
                found[name] = address + str(choice["query_string"])
    return found


def rows_read() -> dict[str, tuple[int, int]]:
    """Return how many rows each large table has, and how many of them have been read since ever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT relname, n_live_tup, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
            " FROM pg_stat_user_tables WHERE n_live_tup > %s",
            [SMALL_ROWS],
        )
        return {table: (rows, read) for table, rows, read in cursor.fetchall()}


def count_queries(client: Client, url: str) -> int:
    count = 0

    def counting(execute: Callable[..., object], *arguments: object) -> object:
        nonlocal count
        count += 1
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        client.get(url)
    return count
