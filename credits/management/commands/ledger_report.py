import csv
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import simplejson
from django.core.management.base import CommandError, CommandParser

from credits import selectors
from credits.prices import plain
from smartspec import clock
from smartspec.api import plain_number
from smartspec.commands import ExplainedCommand, progress_on

PARTS = ("granted", "used", "expired", "clawed_back", "corrected", "outstanding")
MONEY = ("paid", "used", "expired", "clawed_back", "corrected", "deferred")
HELP = """\
What became of credits in a span of days (UTC, both included), and of the money that was paid for them.

For each kind of grant: what was granted, used (captured, less what was refunded), expired, clawed back (less what was
given back) and corrected by staff in these days, and what was outstanding (available or held) at the end of the last.
What was outstanding before + granted - used - expired - clawed back - corrected is what is outstanding at the end.
Credits that came back to an account and paid off its debt count as clawed back: debt is what a clawback had not found.

Money, exact to the minor unit. What was paid for a purchase (taxes included, discounts taken off) lies on the bought
credits alone; it is divided over them in the order used, expired, clawed back, corrected, outstanding, and each
boundary is rounded half up to the minor unit, so that the parts of a purchase always add up to what was paid for it.
The share of what is outstanding is deferred revenue. A bonus has no money of its own, and is spent before what was
bought; credits of refunds and corrections have none. An allowance's money is the subscription's: it is earned by the
days of the paid period, not by credits, and is not in this report. Purchases whose price is not known stand in a line
of their own. A refund that let the customer keep the credits changes nothing here: it has taken no credits back.
"""


class Command(ExplainedCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="first", metavar="DAY", help="2026-03-01; the first of this month if left out"
        )
        parser.add_argument("--to", dest="last", metavar="DAY", help="the last day, 2026-03-31; left out: today")
        parser.add_argument(
            "--format",
            choices=("table", "csv", "json"),
            default="table",
            help="a table to read (default), or csv or json",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        today = now.astimezone(UTC).date()
        first = parsed_day(options["first"]) or today.replace(day=1)
        last = parsed_day(options["last"]) or today
        if first > today:
            raise CommandError(f"{first} has not come yet: it is {today} (UTC).", returncode=2)
        if last < first:
            raise CommandError(f"The report would end ({last}) before it begins ({first}).", returncode=2)
        show = progress_on(self.stderr)
        report = selectors.report_ledger(
            since=start_of(first),
            until=now if last >= today else start_of(last + timedelta(days=1)),
            progress=lambda accounts: show(f"{accounts} accounts"),
        )
        show("")
        {"table": self.write_table, "csv": self.write_csv, "json": self.write_json}[options["format"]](
            report, first, last
        )

    def write_table(self, report: selectors.LedgerReport, first: date, last: date) -> None:
        self.stdout.write(f"Credits, {first} to {last} (UTC)\n")
        lines = [(name_of(line), line.credits) for line in report.lines]
        self.write_rows("kind", PARTS, [*lines, ("total", report.credits)])
        self.stdout.write(
            f"\nOutstanding {plain(report.credits.outstanding)} - debt {plain(report.debt_credits)}"
            f" = balance {plain(report.balance_credits)}"
        )
        self.stdout.write("\nMoney paid for purchased credits, in minor units (cents)\n")
        self.write_rows("currency", MONEY, [(line.currency, line.cents) for line in report.lines if line.currency])

    def write_rows(self, heading: str, columns: tuple[str, ...], lines: list[tuple[str, selectors.Parts]]) -> None:
        rows = [(heading, *(column.replace("_", " ") for column in columns))]
        rows += [(name, *(plain(getattr(parts, part)) for part in PARTS)) for name, parts in lines]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            figures = "  ".join(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
            self.stdout.write(f"{row[0].ljust(widths[0])}  {figures}")

    def write_csv(self, report: selectors.LedgerReport, first: date, last: date) -> None:
        rows = csv.writer(self.stdout, lineterminator="\n")
        columns = [*(f"{part}_credits" for part in PARTS), *(f"{part}_cents" for part in MONEY)]
        rows.writerow(["from", "to", "kind", "currency", *columns])
        for line in report.lines:
            figures = [*figures_of(line.credits), *(figures_of(line.cents) if line.currency else [""] * len(MONEY))]
            rows.writerow([first, last, line.kind, line.currency, *figures])

    def write_json(self, report: selectors.LedgerReport, first: date, last: date) -> None:
        lines = []
        for line in report.lines:
            answer: dict[str, Any] = {"kind": line.kind, "currency": line.currency or None}
            for part, column in zip(PARTS, MONEY, strict=True):
                answer[f"{part}_credits"] = plain_number(getattr(line.credits, part))
                answer[f"{column}_cents"] = int(getattr(line.cents, part)) if line.currency else None
            lines.append(answer)
        debt, balance = plain_number(report.debt_credits), plain_number(report.balance_credits)
        answer = {"from": str(first), "to": str(last), "lines": lines, "debt_credits": debt, "balance_credits": balance}
        self.stdout.write(simplejson.dumps(answer, indent=1, use_decimal=True))


def parsed_day(text: str | None) -> date | None:
    """Return the day that was given, or None when none was.

    :raises CommandError: it is not a day.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"“{text}” is not a day such as 2026-03-31.", returncode=2) from None


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def name_of(line: selectors.ReportLine) -> str:
    if line.kind == "purchase" and not line.currency:
        return "purchase (price not known)"
    return f"{line.kind} ({line.currency})" if line.currency else line.kind


def figures_of(parts: selectors.Parts) -> list[str]:
    return [plain(getattr(parts, part)) for part in PARTS]
