"""What became of all credits in a span of time, by kind, and of the money that was paid for them."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from credits.selectors.batches import iterate_account_batches

ZERO = Decimal(0)
BALANCE = "balance"  # the kind of the row that is the sum of the entries


@dataclass(frozen=True)
class Parts:
    """Of some lots, or of the money paid for them: what was given, and what became of it.

    granted = used + expired + clawed_back + corrected + what outstanding grew by.
    """

    granted: Decimal = ZERO
    used: Decimal = ZERO
    expired: Decimal = ZERO
    clawed_back: Decimal = ZERO
    corrected: Decimal = ZERO
    outstanding: Decimal = ZERO

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def since(self, earlier: "Parts") -> "Parts":
        """Return what happened since an earlier state; what is outstanding is no happening, and stays."""
        differences = (getattr(self, part.name) - getattr(earlier, part.name) for part in fields(self))
        return replace(Parts(*differences), outstanding=self.outstanding)


@dataclass(frozen=True)
class ReportLine:
    """The lots of a kind, those of them that were paid in a currency, or (`currency` empty) without known money."""

    kind: str
    currency: str
    credits: Parts
    cents: Parts


@dataclass(frozen=True)
class LedgerReport:
    """A span of time (`since` inclusive, `until` exclusive). Outstanding, debt and balance are as of its end."""

    since: datetime
    until: datetime
    lines: tuple[ReportLine, ...]
    balance_credits: Decimal

    @property
    def credits(self) -> Parts:
        """All kinds together."""
        return sum((line.credits for line in self.lines), Parts())

    @property
    def debt_credits(self) -> Decimal:
        """What clawbacks had not found."""
        return self.credits.outstanding - self.balance_credits


Sums = dict[tuple[str, str], tuple[Parts, Parts]]


def report_ledger(
    *, since: datetime, until: datetime, progress: Callable[[int], None] = lambda accounts: None
) -> LedgerReport:
    """Add up every account's lots; `progress` is told how many accounts are done. Constant memory."""
    before: Sums = {}
    after: Sums = {}
    accounts = 0
    for batch in iterate_account_batches():
        for sums, at in ((before, since), (after, until)):
            _add(sums, batch, at)
        accounts += len(batch)
        progress(accounts)
    balance, _ = after.pop((BALANCE, ""), (Parts(), Parts()))
    lines = []
    for (kind, currency), (credits, cents) in sorted(after.items()):
        credits_before, cents_before = before.get((kind, currency), (Parts(), Parts()))
        lines.append(ReportLine(kind, currency, credits.since(credits_before), cents.since(cents_before)))
    return LedgerReport(since, until, tuple(lines), balance.outstanding)


def _add(sums: Sums, accounts: list[UUID], at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM credits_sum_lots(%s, %s)", [accounts, at])
        for kind, currency, *figures in cursor.fetchall():
            credits, cents = sums.get((kind, currency), (Parts(), Parts()))
            sums[kind, currency] = credits + Parts(*figures[:6]), cents + Parts(*figures[6:])
