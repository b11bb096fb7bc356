"""`manage.py bench_admin`: how fast the back-office is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from smartspec import clock

HOME_MUST_MS = 300


class Command(BaseCommand):
    help = (
        "Measure the back-office with many people: makes a database of its own on the server that the settings name,"
        " fills it with generated people (100,000 by default, with 64 entries each: more than 5,000,000), asks for its"
        " pages, prints how long each took and which large tables it read from end to end, and drops the database."
        " Takes some minutes. Exit code 1 when the home page takes longer than 300 ms. Needs requirements-dev.txt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=100_000, metavar="N", help="people (5,000 or more)")
        parser.add_argument("--rounds", type=int, default=20, metavar="N", help="how often each page is asked for")

    def handle(self, *args: Any, users: int, rounds: int, **options: Any) -> None:
        from billing.bench import pages  # it needs what only development installs
        from smartspec.testing import scratch_database

        now = clock.now()
        with scratch_database("smartspec_bench_admin"):
            entries = pages.load(users=users, now=now, progress=lambda line: self.stderr.write(f"  {line} …"))
            self.stdout.write(f"{users:,} people, {entries:,} entries")
            first, again = pages.count_days(now=now)
            self.stdout.write(f"counting 31 days: {first:.1f} s at first, {again:.2f} s every minute")
            self.stdout.write(f"{'page':<30}{'median':>9}{'slowest':>9}{'queries':>9}  read from end to end")
            home_ms = 0.0
            for measured in pages.measure(rounds=rounds):
                if measured.name == "home":
                    home_ms = measured.median_ms
                took = f"{measured.median_ms:>6.0f} ms{measured.slowest_ms:>6.0f} ms"
                read_whole = ", ".join(measured.read_whole) or "–"
                self.stdout.write(f"{measured.name:<30}{took}{measured.queries:>9}  {read_whole}")
        self.stdout.write(f"home: {home_ms:.0f} ms, must be under {HOME_MUST_MS} ms")
        if home_ms >= HOME_MUST_MS:
            raise SystemExit(1)
