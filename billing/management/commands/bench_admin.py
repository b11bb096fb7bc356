"""`manage.py bench_admin`: how fast the back-office is."""

import logging
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from smartspec import clock
from smartspec.commands import number_from

if TYPE_CHECKING:
    from billing.bench.pages import Measured

HOME_MUST_MS = 300
FILTER_ROUNDS = 3


class Command(BaseCommand):
    help = (
        "Measure the back-office with many people: makes a database of its own on the server that the settings name,"
        " fills it with generated people (100,000 by default, with 64 entries each: more than 5,000,000), asks for its"
        " pages and for every choice of every filter, prints how long each took and which large tables it read from"
        " end to end, and drops the database. Of filters only those are printed that read a table or take longer than"
        " the home page may. Takes some minutes. Exit code 1 when anything takes longer than 300 ms, or reads a large"
        " table from end to end. Needs requirements-dev.txt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--users", type=number_from(5000), default=100_000, metavar="N", help="people (5,000 or more)"
        )
        parser.add_argument(
            "--rounds", type=number_from(1), default=20, metavar="N", help="how often each page is asked for"
        )

    def handle(self, *args: Any, users: int, rounds: int, **options: Any) -> None:
        from billing.bench import pages  # it needs what only development installs
        from smartspec.testing import scratch_database

        now = clock.now()
        logging.disable(logging.INFO)  # each request logs two lines, which would stand between the figures
        try:
            with scratch_database("smartspec_bench_admin"):
                entries = pages.load(users=users, now=now, progress=lambda line: self.stderr.write(f"  {line} …"))
                self.stdout.write(f"{users:,} people, {entries:,} entries")
                first, again = pages.count_days(now=now)
                self.stdout.write(f"counting 31 days: {first:.1f} s at first, {again:.2f} s every minute")
                self.stdout.write(f"{'page':<48}{'median':>9}{'slowest':>9}{'queries':>9}  read from end to end")
                slow = self.show(pages.measure(rounds=rounds), all_of_them=True)
                slow += self.show(pages.measure_filters(rounds=FILTER_ROUNDS), all_of_them=False)
        finally:
            logging.disable(logging.NOTSET)
        if slow:
            self.stdout.write(f"too slow, or without an index: {', '.join(slow)}")
            raise SystemExit(1)
        self.stdout.write(f"every page took less than {HOME_MUST_MS} ms, and none read a large table from end to end")

    def show(self, measured: "Iterable[Measured]", *, all_of_them: bool) -> list[str]:
        """Print pages, and return the names of those that are not as they must be."""
        slow, count, slowest_ms = [], 0, 0.0
        for page in measured:
            count, slowest_ms = count + 1, max(slowest_ms, page.median_ms)
            is_slow = page.median_ms >= HOME_MUST_MS or bool(page.read_whole)
            if is_slow:
                slow.append(page.name)
            if is_slow or all_of_them:
                took = f"{page.median_ms:>6.0f} ms{page.slowest_ms:>6.0f} ms"
                self.stdout.write(f"{page.name:<48}{took}{page.queries:>9}  {', '.join(page.read_whole) or '–'}")
        if not all_of_them:
            self.stdout.write(f"{count} choices of filters, the slowest of them {slowest_ms:.0f} ms")
        return slow
