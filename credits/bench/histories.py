"""The account pages of somebody with a very long history beside those of somebody with a short one."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from django.db import connection
from django.test import Client

from credits import ids
from smartspec.users.models import User

SHORT_ENTRIES = 100
WARM_UP = 2
HISTORY = "/account/transactions"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """How long a page took for both, in milliseconds."""

    name: str
    long_ms: float
    short_ms: float

    @property
    def ratio(self) -> float:
        return self.long_ms / self.short_ms


@dataclass(frozen=True)
class Person:
    """Somebody with so many entries, and their browser."""

    user: User
    entries: int
    browser: Client

    def count_rows(self, url: str) -> int:
        """Return how many transactions a page lists."""
        return self.browser.get(url).content.count(b'class="entry"')

    def ask(self, url: str) -> float:
        """Ask for a page and return the milliseconds that it took.

        :raises RuntimeError: the answer is none of success.
        """
        started = time.perf_counter()
        answer = self.browser.get(url)
        took = (time.perf_counter() - started) * 1000
        if answer.status_code != 200:
            raise RuntimeError(f"{url} answers {answer.status_code}")
        return took


def make_person(name: str, *, entries: int, now: datetime, progress: Progress) -> Person:
    """Make somebody with so many entries."""
    user = User.objects.create_user(f"{name}@bench.test")
    values: dict[str, Any] = {"account": user.pk, "length": entries, "now": now}
    statements = (Path(__file__).parent / "histories.sql").read_text().split(";\n")
    with connection.cursor() as cursor:
        for statement in filter(str.strip, statements):
            first = next(line for line in statement.strip().splitlines() if not line.startswith("--"))
            progress(f"{entries:,} entries: {first[:60]}")
            cursor.execute(statement, values)
    browser = Client(HTTP_HOST="localhost")
    browser.force_login(user)
    return Person(user, entries, browser)


def analyse() -> None:
    """Let the server know its tables, as autovacuum would have by then."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def pages(person: Person, now: datetime) -> dict[str, str]:
    """Return the addresses that are compared, by name; each the same question for everybody."""
    history = HISTORY
    last = -(-person.entries // 25)
    span = f"date_from={now - timedelta(days=20):%Y-%m-%d}&date_to={now - timedelta(days=15):%Y-%m-%d}"
    return {
        "overview": "/account",
        "overview, 90 days": "/account?days=90",
        "history": history,
        "history, the page in the middle": f"{history}?page={last // 2}",
        "history, the last page": f"{history}?page={last}",
        "history of a type": f"{history}?type=adjustment",
        "history of some days": f"{history}?{span}",
        "a row": f"{history}/{ids.entry_id(person.user.pk, person.entries // 2 + 1)}",
        "search: nothing found": f"{history}?search=nothing",
        "search: an old job": f"{history}?search=job-{person.entries // 3 // 20 * 20 + 1}",
        "search: a transaction's id": f"{history}?search={ids.entry_id(person.user.pk, person.entries // 3)}",
        "search: a rare word": f"{history}?search=ticket",
        "search: a word of every second": f"{history}?search=video",
        "search: a word of every one": f"{history}?search=generation",
        "search: a model of every fifth": f"{history}?search=flux-pro",
        "search: a rare model": f"{history}?search=rare",
        "search: a model among adjustments": f"{history}?search=flux-pro&type=adjustment",
        "search: some days": f"{history}?search=ticket&{span}",
    }


def measure(long: Person, short: Person, *, rounds: int, now: datetime) -> Iterator[Measured]:
    """Ask for each page in turn, long and short, and yield how long each took.

    Where the short history has fewer rows to show, its first page stands for the question: rows take time to draw.
    """
    compared = pages(short, now)
    for name, url in pages(long, now).items():
        if short.count_rows(compared[name]) < long.count_rows(url):
            compared[name] = HISTORY
        for _ in range(WARM_UP):
            long.ask(url)
            short.ask(compared[name])
        times = [(long.ask(url), short.ask(compared[name])) for _ in range(rounds)]
        yield Measured(name, median(took for took, _ in times), median(took for _, took in times))
