"""`manage.py bench_http`: how fast the product is over HTTP."""

import json
import logging
import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from smartspec import clock
from smartspec.bench import chart
from smartspec.bench.errors import BenchError
from smartspec.commands import ExplainedCommand, number_from

DOCS = Path("docs")
JSON = "bench-http.json"  # in the data folder
PARTS = ("growth", "intake", "burst", "memory")
COUNTS = (1, 4, 16, 64)
INTAKE_ROUNDS, INTAKE_PAYMENTS = 5, 30

HELP = f"""\
Measure the product over HTTP, served as in production: gunicorn, one process with 16 threads, and one worker.

It makes a database of its own on the server that the settings name, fills it with people, runs web server and worker on
it, and drops it. The product's own database is never touched. Stripe is the sandbox, in the same processes, so that its
work is measured with ours. The load generator is one process more on the same machine and competes for its CPUs; what
it takes of them is shown. A full run takes about fifteen minutes. Nothing else should run on the machine.

Parts for --only: {", ".join(PARTS)}
  growth     balance, history, quote, hold + capture, webhook intake and checkout, by {", ".join(map(str, COUNTS))}
             connections: operations a second, p50, p95 and p99; also drawn as http-throughput.svg and http-latency.svg
             in {DOCS}/
  intake     webhook intake beside dj-stripe's own view, right after each other: must be 5 times as fast
  burst      1,000 webhooks of payments at once, with the worker running: must all be effective within 60 seconds,
             though Stripe thinks for --stripe-ms before each of its answers
  memory     web server and worker over 100,000 operations of all kinds: must not grow by more than a tenth between the
             first tenth of them and the last

Whether a must is met is printed and changes nothing: exit 0. Exit 1 when something did not work. Needs
requirements-dev.txt.
"""


class Command(ExplainedCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        whole = number_from(1)
        parser.add_argument(
            "--seconds", type=float, default=5, metavar="N", help="of each step of growth and intake (5)"
        )
        parser.add_argument("--people", type=whole, default=200, metavar="N", help="who call (200)")
        parser.add_argument("--webhooks", type=whole, default=1000, metavar="N", help="in the burst (1,000)")
        parser.add_argument(
            "--operations", type=number_from(10), default=100_000, metavar="N", help="for memory (100,000)"
        )
        parser.add_argument("--stripe-ms", type=number_from(0), default=200, metavar="N", help="in the burst (200)")
        parser.add_argument("--only", choices=PARTS, help="one part alone")
        parser.add_argument("--smoke", action="store_true", help="little of everything: does it work?")
        parser.add_argument(
            "--json", metavar="FILE", help=f"write what was seen to FILE; {JSON} in SMARTSPEC_DATA_DIR unless given"
        )
        parser.add_argument("--svg", metavar="FOLDER", help=f"where to draw; {DOCS} unless given, nowhere with --smoke")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("bench_http takes all of a machine; it does not run in production.")
        from billing.sandbox.bench import measure, people  # they need what only development installs
        from smartspec.testing import scratch_database

        if options["smoke"]:
            options |= {"seconds": 0.05, "people": 2, "webhooks": 4, "operations": 20, "stripe_ms": 1}
        counts = COUNTS if not options["smoke"] else COUNTS[:2]
        parts = PARTS if options["only"] is None else (options["only"],)
        musts: list[measure.Must] = []
        seen: dict[str, Any] = {
            "measured_at": clock.now().isoformat(timespec="seconds"),
            "cpus": os.cpu_count(),
            "load_before": os.getloadavg()[0],
            "python": platform.python_version(),
            **{name: options[name] for name in ("seconds", "people", "webhooks", "operations", "stripe_ms")},
        }
        logging.disable(logging.INFO)
        try:
            with scratch_database("smartspec_bench_http", durable=not options["smoke"]):
                cast = people.gather(count=options["people"], progress=self.progress)
                with measure.open_site() as site:
                    if "growth" in parts:
                        found = measure.growth(
                            site, cast, counts=counts, seconds=options["seconds"], progress=self.progress
                        )
                        self.show_growth(found)
                        seen["growth"] = {
                            name: {count: asdict(one) for count, one in points.items()}
                            for name, points in found.items()
                        }
                        if options["svg"] or not options["smoke"]:
                            self.draw(Path(options["svg"] or settings.BASE_DIR / DOCS), found)
                    if "intake" in parts:
                        rounds, payments = (1, 2) if options["smoke"] else (INTAKE_ROUNDS, INTAKE_PAYMENTS)
                        must, pairs = measure.intake(
                            site, cast, rounds=rounds, payments=payments, progress=self.progress
                        )
                        musts.append(must)
                        seen["intake"] = [[asdict(one) for one in pair] for pair in pairs]
                    if "memory" in parts:
                        more, course = measure.memory(
                            site, cast, operations=options["operations"], progress=self.progress
                        )
                        musts += more
                        seen["memory"] = [asdict(one) for one in course]
                    if "burst" in parts:
                        must = measure.burst(
                            site,
                            cast,
                            payments=options["webhooks"],
                            stripe_ms=options["stripe_ms"],
                            progress=self.progress,
                        )
                        musts.append(must)
                measure.verify(cast)
        except BenchError as error:
            raise CommandError(str(error)) from error
        finally:
            logging.disable(logging.NOTSET)
        for must in musts:
            sign = "≤" if must.at_most else "≥"
            verdict = "met" if must.is_met else "MISSED"
            self.stdout.write(f"{must.label:<64}{must.value:>9.2f}{must.unit}  must {sign} {must.must:g}: {verdict}")
        seen["musts"] = [asdict(must) | {"is_met": must.is_met} for must in musts]
        path = Path(options["json"] or Path(settings.DATA_DIR) / JSON)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(seen, indent=1) + "\n")
        self.stdout.write(f"\n{os.cpu_count()} CPUs for load generator, web server, worker and database together.")
        self.stdout.write(f"Everything that was seen is in {path}.")

    def show_growth(self, found: dict[str, dict[int, Any]]) -> None:
        """Print a line for each kind of visit and number of connections."""
        heads = "".join(f"{head:>9}" for head in ("p50 ms", "p95 ms", "p99 ms"))
        self.stdout.write(f"{'operation':<16}{'connections':>12}{'a second':>10}{heads}{'client CPU µs':>15}")
        for name, points in found.items():
            for count, one in points.items():
                latencies = f"{one.p50_ms:>9.1f}{one.p95_ms:>9.1f}{one.p99_ms:>9.1f}"
                self.stdout.write(
                    f"{name:<16}{count:>12}{one.per_second:>10,.0f}{latencies}{one.client_cpu_us:>15,.0f}"
                )

    def draw(self, folder: Path, found: dict[str, dict[int, Any]]) -> None:
        """Write the two charts."""
        caption = f"connections; gunicorn, one process; {os.cpu_count()} CPUs shared by all sides"
        folder.mkdir(parents=True, exist_ok=True)
        charts: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
            ("http-throughput.svg", "Operations a second", lambda one: one.per_second),
            ("http-latency.svg", "95th percentile, milliseconds", lambda one: one.p95_ms),
        )
        for name, title, value in charts:
            series = {kind: {count: value(one) for count, one in points.items()} for kind, points in found.items()}
            (folder / name).write_text(chart.growth_svg(series, title=title, caption=caption))

    def progress(self, line: str) -> None:
        """Show what happens at this moment."""
        self.stderr.write(f"  {line} …")
