"""`manage.py bench_history`: whether a long history makes the account pages slower."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from smartspec import clock
from smartspec.commands import number_from

MUST_RATIO = 2  # a search that finds much counts up to 10,000 matches, which a short history does not have


class Command(BaseCommand):
    help = (
        "Measure the account pages of somebody with 1,000,000 transactions beside those of somebody with 100: makes a"
        " database of its own on the server that the settings name, fills it, asks for each page in turn through the"
        " whole of Django, prints the median of each and their ratio, and drops the database. Takes two minutes."
        f" Exit code 1 when a page is more than {MUST_RATIO} times as slow. Needs requirements-dev.txt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--entries", type=number_from(1), default=1_000_000, metavar="N", help="of the long history"
        )
        parser.add_argument(
            "--rounds", type=number_from(1), default=15, metavar="N", help="how often each page is asked for"
        )

    def handle(self, *args: Any, entries: int, rounds: int, **options: Any) -> None:
        from credits.bench import histories  # it needs what only development installs
        from smartspec.testing import scratch_database

        now = clock.now()
        slow = []
        logging.disable(logging.INFO)  # of each request
        with scratch_database("smartspec_bench_history"):

            def progress(line: str) -> None:
                self.stderr.write(f"  {line} …")

            long = histories.make_person("long", entries=entries, now=now, progress=progress)
            short = histories.make_person("short", entries=histories.SHORT_ENTRIES, now=now, progress=progress)
            histories.analyse()
            self.stdout.write(f"{'page':<36}{f'{entries:,}':>12}{f'{histories.SHORT_ENTRIES:,}':>12}{'ratio':>8}")
            for seen in histories.measure(long, short, rounds=rounds, now=now):
                self.stdout.write(f"{seen.name:<36}{seen.long_ms:>9.1f} ms{seen.short_ms:>9.1f} ms{seen.ratio:>8.2f}")
                if seen.ratio > MUST_RATIO:
                    slow.append(seen.name)
        self.stdout.write(f"more than {MUST_RATIO} times as slow: {', '.join(slow) or 'none'}")
        if slow:
            raise SystemExit(1)
