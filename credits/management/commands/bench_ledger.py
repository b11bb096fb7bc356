import json
import os
import platform
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from credits.bench import report, runner
from credits.bench.plan import GROUPS
from smartspec import clock
from smartspec.bench import chart
from smartspec.commands import ExplainedCommand, number_from

SVG = Path("docs/ledger-throughput.svg")
JSON = "bench-ledger.json"  # in the data folder
INTERRUPTED = 130
LABELS = {"service": "place_hold, the service (Python)", "pgbench": "the same function, pgbench"}

HELP = f"""\
Measure the ledger: against what the database itself can do, and against other ledgers.

It makes databases of its own on the server that the settings name (the embedded one, or DATABASE_URL), loads 10,000
accounts with three open lots and one account with 1,000,000 entries, warms up, measures in rounds, prints what it
found, and drops them. The product's own database is never touched. A full run takes about five minutes after loading.
Nothing else should run on the machine. Ctrl-C ends it in order and shows the rounds that were finished.

Each line is a ratio of two things that were measured in the same round, right after each other; the median over the
rounds counts. "must" is the least that is acceptable, "goal" what to reach for.

Groups for --only: {", ".join(GROUPS)}
  hold       place_hold through the service, and pgbench (prepared) calling the same database function
  pair       the same for a hold and its capture
  unchecked  the function, and a function in the bench's database that makes the same writes and checks nothing
  orm        a version written with the ORM, one call after the other
  hordak     django-hordak's transfer_to, as it is and behind a lock and a look at the balance
  hot        8 clients on one account: one hold at a time, and hold_many of 10
  http       POST /api/credits/holds, and a POST that passes the same authentication and does nothing
  balance    GET /api/credits/balance of the account with 1,000,000 entries, and of one with none
  history    the last page of 1,000,000 entries, and the first; the same with a filter
  usage      90 days from the rollup, and added up from the entries
  storage    bytes that a hold and its capture leave behind; updates that touched no index (HOT)
  books      verify_ledger over 1,000,000 entries, and how soon their export has rows
  clients    holds a second with 1, 2, 4, 8 and 16 clients, also drawn as {SVG}

pgbench comes with the embedded server. For a given server it is looked for on the PATH (Debian: apt install
postgresql-contrib). django-hordak is in requirements-bench.txt. What is not there is left out, and said.
"""


class Command(ExplainedCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rounds", type=number_from(1), help=f"how many; {runner.FULL.rounds} unless given")
        parser.add_argument(
            "--seconds", type=number_from(1), help=f"of each step in a round; {runner.FULL.seconds} unless given"
        )
        parser.add_argument("--only", help="comma-separated groups")
        parser.add_argument(
            "--json",
            metavar="FILE",
            help=f"write everything that was seen to FILE (- is the output); {JSON} in SMARTSPEC_DATA_DIR unless given",
        )
        parser.add_argument("--svg", metavar="FILE", help=f"draw throughput by clients; {SVG} unless given")
        parser.add_argument("--smoke", action="store_true", help="seconds instead of minutes: does it all work?")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("bench_ledger takes all of a machine; it does not run in production.")
        length = length_of(options)
        groups = groups_of(options["only"])
        signal.signal(signal.SIGTERM, runner.stop)
        seen = runner.run(length, groups, progress=self.progress)
        self.progress("")
        found = report.results(seen.rounds, groups, seen.missing)
        series = report.by_clients(seen.rounds)
        facts = {
            "measured_at": clock.now().isoformat(timespec="seconds"),
            "rounds": length.rounds,
            "seconds": length.seconds,
            "accounts": length.accounts,
            "history_entries": length.history_entries,
            "cpus": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
        answer = report.as_json(seen.rounds, found, settings=facts, server=seen.server, interrupted=seen.interrupted)
        if options["json"] == "-":
            self.stdout.write(json.dumps(answer, indent=1))
        else:
            self.show(seen, found, series)
            path = Path(options["json"] or Path(settings.DATA_DIR) / JSON)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(answer, indent=1) + "\n")
            self.stdout.write(f"\nEverything that was seen is in {path}.")
        if seen.failure:
            raise CommandError(seen.failure)
        if "clients" in groups and not seen.interrupted and (options["svg"] or not options["smoke"]):
            self.draw(Path(options["svg"] or settings.BASE_DIR / SVG), series, seen.server)
        if seen.interrupted:
            sys.exit(INTERRUPTED)

    def progress(self, line: str) -> None:
        """Show what happens at this moment: on a terminal in one line that is written over, else line by line."""
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{line}", ending="")
            self.stderr.flush()
        elif line:
            self.stderr.write(line)

    def show(self, seen: runner.Run, found: list[report.Result], series: dict[str, dict[int, float]]) -> None:
        """Print what was found."""
        facts = ", ".join(f"{name} {value}" for name, value in seen.server.items())
        lines = [f"{os.cpu_count()} CPUs, {facts}"]
        if seen.server.get("fsync") == "off":
            lines.append("fsync is off on this server: what it is told may be lost, and these figures mean little.")
        if seen.interrupted:
            lines.append(f"Interrupted after {len(seen.rounds)} rounds.")
        if seen.rounds:
            lines += ["", report.readings_table(seen.rounds)]
        if series:
            lines += ["", report.bars(series)]
        lines += ["", report.table(found)] if found else []
        self.stdout.write("\n".join(lines))

    def draw(self, path: Path, series: dict[str, dict[int, float]], server: dict[str, str]) -> None:
        """Write the chart."""
        caption = f"clients; PostgreSQL {server.get('server_version', '')}, {os.cpu_count()} CPUs shared by both sides"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            chart.growth_svg(
                {LABELS[kind]: points for kind, points in series.items()},
                title="Holds a second by number of clients",
                caption=caption,
            )
        )


def length_of(options: dict[str, Any]) -> runner.Length:
    """Return how long to measure.

    :raises CommandError: no rounds, or no time in them.
    """
    length = runner.SMOKE if options["smoke"] else runner.FULL
    given = {name: options[name] for name in ("rounds", "seconds") if options[name] is not None}
    if any(value < 1 for value in given.values()):
        raise CommandError("--rounds and --seconds are whole numbers from 1.")
    return replace(length, **given)


def groups_of(only: str | None) -> set[str]:
    """Return the groups to measure.

    :raises CommandError: there is no such group.
    """
    groups = {name.strip() for name in only.split(",")} if only else set(GROUPS)
    unknown = sorted(groups - set(GROUPS))
    if unknown:
        raise CommandError(f"There is no group {', '.join(unknown)}. Groups: {', '.join(GROUPS)}.")
    return groups
