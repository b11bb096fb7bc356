"""manage.py bench_media: how fast media is."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from smartspec import clock
from smartspec.commands import number_from

JSON = "bench-media.json"  # in the data folder
GROUPS = ("signing", "listing", "billing")


class Command(BaseCommand):
    help = (
        "Measure media: signing 1,000 URLs, listing an account with many assets (its first and its last page, against"
        " an account with 100), and the daily bill (a quarter of the accounts, half and all of them, which shows how it"
        " grows). It makes a database of its own on the server that the settings name, loads it by COPY, and drops it;"
        " the bucket is not asked for anything. A full run takes some minutes; nothing else should run on the machine."
        " Medians over the rounds count. Exit 1 when something is slower than it must be. Needs requirements-dev.txt."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--accounts", type=number_from(4), default=100_000, metavar="N", help="to bill (100,000)")
        parser.add_argument("--assets", type=number_from(1000), default=100_000, metavar="N", help="to list (100,000)")
        parser.add_argument("--rounds", type=number_from(1), default=3, metavar="N", help="of each (3)")
        parser.add_argument(
            "--smoke", action="store_true", help="little of each, once, and never exit 1: does it work?"
        )
        parser.add_argument("--only", choices=GROUPS, help="one of the three alone")
        parser.add_argument(
            "--json", metavar="FILE", help=f"write what was seen to FILE; {JSON} in SMARTSPEC_DATA_DIR unless given"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("bench_media takes all of a machine; it does not run in production.")
        from media.bench import measure  # it needs what only development installs
        from smartspec.testing import scratch_database

        if options["smoke"]:
            options |= {"accounts": 40, "assets": 1000, "rounds": 1}
        lines = []
        with scratch_database("smartspec_bench_media", durable=not options["smoke"]), quiet():
            for group in GROUPS if options["only"] is None else (options["only"],):
                self.progress(group)
                for line in self.measure(group, options):
                    self.show(line)
                    lines.append(line)
            facts = measure.facts()
        seen = {
            "measured_at": clock.now().isoformat(timespec="seconds"),
            **{name: options[name] for name in ("accounts", "assets", "rounds")},
            **facts,
            "lines": [asdict(line) for line in lines],
        }
        path = Path(options["json"] or Path(settings.DATA_DIR) / JSON)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(seen, indent=1) + "\n")
        self.stdout.write(f"\n{', '.join(f'{name} {value}' for name, value in facts.items())}")
        self.stdout.write(f"Everything that was seen is in {path}.")
        if not options["smoke"] and not all(line.is_met for line in lines):
            sys.exit(1)

    def measure(self, group: str, options: dict[str, Any]) -> Iterator[Any]:
        """Measure one group."""
        from media.bench import measure

        rounds, now = options["rounds"], clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        if group == "signing":
            return measure.signing(rounds=rounds)
        if group == "listing":
            return measure.listing(assets=options["assets"], rounds=rounds, now=now, progress=self.progress)
        return measure.billing(accounts=options["accounts"], rounds=rounds, now=now, progress=self.progress)

    def show(self, line: Any) -> None:
        """Print one line of the table."""
        ratio = "" if line.ratio is None else f"× {line.ratio:.2f}"
        verdict = f"  {'met' if line.is_met else 'MISSED'}: {line.must}" if line.must else ""
        self.stdout.write(f"{line.name:<32}{line.median:>12,.1f} {line.unit:<9}{ratio:>8}{verdict}")

    def progress(self, line: str) -> None:
        """Show what happens at this moment."""
        self.stderr.write(f"  {line} …")


@contextmanager
def quiet() -> Iterator[None]:
    """Write no log meanwhile but what is wrong."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
