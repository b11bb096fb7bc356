"""A reference model of an account in plain Python: it knows the rules and nothing of how they are kept."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

HOUR = timedelta(hours=1)
ZERO = Decimal(0)
START = datetime(2026, 1, 31, 10, tzinfo=UTC)


@dataclass
class Lot:
    order: tuple[Any, ...]
    credits: Decimal
    remaining: Decimal
    ends: datetime | None
    expired: Decimal = ZERO
    clawed: Decimal = ZERO
    prolonged: bool = False
    length: timedelta | None = None  # its own, however long credits that came back kept it alive
    own_end: datetime | None = None
    returns: "Lot | None" = None

    @property
    def whose(self) -> "Lot":
        return self.returns or self


@dataclass
class Held:
    receipt: list[tuple[Lot, Decimal]]
    credits: Decimal
    ends: datetime
    placed: datetime
    state: str = "open"
    consumed: Decimal = ZERO


@dataclass
class Model:
    """The rules of `credits/sql/README.md`, as short as they can be said."""

    debt: Decimal = ZERO
    is_frozen: bool = False
    lots: list[Lot] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)

    @property
    def available(self) -> Decimal:
        return sum((lot.remaining for lot in self.lots), ZERO)

    @property
    def held(self) -> Decimal:
        return sum((hold.credits for hold in self.holds if hold.state == "open"), ZERO)

    def pay_debt(self, credits: Decimal) -> Decimal:
        paid = min(self.debt, credits)
        self.debt -= paid
        return credits - paid

    def give(self, credits: Decimal, ends: datetime | None, is_paid: bool, now: datetime) -> Lot:
        order = (ends is None, ends or now, is_paid, len(self.lots))
        length = ends - now if ends else None
        self.lots.append(Lot(order, credits, self.pay_debt(credits), ends, length=length, own_end=ends))
        return self.lots[-1]

    def take(self, credits: Decimal, first: Lot | None = None) -> list[tuple[Lot, Decimal]]:
        receipt = []
        for lot in sorted(self.lots, key=lambda lot: (lot.whose is not first, self.burn_order(lot))):
            taken = min(lot.remaining, credits)
            if taken:
                lot.remaining -= taken
                credits -= taken
                receipt.append((lot, taken))
        return receipt

    @staticmethod
    def burn_order(lot: Lot) -> tuple[Any, ...]:
        return (lot.ends is None, lot.ends or START, *lot.order[2:])

    def back(self, hold: Held, credits: Decimal, now: datetime) -> None:
        credits = self.pay_debt(credits)
        skip = hold.credits - hold.consumed
        hold.consumed -= credits
        for lot, taken in reversed(hold.receipt):
            skipped = min(skip, taken)
            skip -= skipped
            returned = min(taken - skipped, credits)
            credits -= returned
            if returned:
                lot.remaining += returned
                if lot.ends and lot.ends <= now < lot.ends + 48 * HOUR and not lot.prolonged:
                    lot.ends, lot.prolonged = min(now + 24 * HOUR, lot.ends + 48 * HOUR), True

    def end(self, hold: Held, state: str, spent: Decimal, now: datetime) -> None:
        hold.state, hold.consumed = state, hold.credits
        if spent < hold.credits:
            self.back(hold, hold.credits - spent, now)

    def pass_time(self, now: datetime) -> None:
        while True:
            due: list[tuple[datetime, int, Any]] = [
                (lot.ends, 0, lot) for lot in self.lots if lot.remaining and lot.ends and lot.ends <= now
            ]
            due += [(hold.ends, 1, hold) for hold in self.holds if hold.state == "open" and hold.ends <= now]
            if not due:
                return
            at, kind, thing = min(due, key=lambda item: item[:2])
            if kind == 1:
                self.end(thing, "expired", ZERO, at)
            else:
                thing.expired, thing.remaining = thing.expired + thing.remaining, ZERO
