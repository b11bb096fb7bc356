"""The report: a story whose figures a reader can add up, and that its parts always make the whole."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from credits import selectors, services
from credits.selectors import LedgerReport, Parts
from credits.tests.conftest import Give, Place

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
Buy = Callable[..., None]
Spend = Callable[..., str]


@pytest.fixture
def buy(account_id: UUID, give: Give) -> Buy:
    """Return a function that gives what a purchase gives."""

    def run(source: str, credits: int, cents: int, bonus: int = 0, **changes: Any) -> None:
        give(credits, kind="purchase", source=source, paid_cents=cents, currency="usd", **changes)
        if bonus:
            give(bonus, kind="bonus", source=source, **changes)

    return run


@pytest.fixture
def spend(place: Place, now: datetime) -> Spend:
    """Return a function that holds and captures, and tells the hold's id."""

    def run(credits: int, now: datetime = now) -> str:
        hold_id = place(credits, now=now).id
        services.capture_hold(hold_id=hold_id, now=now)
        return hold_id

    return run


def report(since: datetime, until: datetime) -> LedgerReport:
    found = selectors.report_ledger(since=since, until=until)
    before = selectors.report_ledger(since=since, until=since)
    opening = {(line.kind, line.currency): line for line in before.lines}
    for line in found.lines:
        earlier = opening.get((line.kind, line.currency))
        for parts, opened in (
            (line.credits, earlier.credits if earlier else Parts()),
            (line.cents, earlier.cents if earlier else Parts()),
        ):
            gone = parts.used + parts.expired + parts.clawed_back + parts.corrected
            assert opened.outstanding + parts.granted - gone == parts.outstanding
    return found


def figures(found: LedgerReport, kind: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a kind's credits and cents: granted, used, expired, clawed back, corrected, outstanding."""
    (line,) = (line for line in found.lines if line.kind == kind)
    names = ("granted", "used", "expired", "clawed_back", "corrected", "outstanding")
    return tuple(getattr(line.credits, n) for n in names), tuple(getattr(line.cents, n) for n in names)


class TestTwoMonths:
    def test_of_a_buyer(self, account_id: UUID, buy: Buy, give: Give, spend: Spend, now: datetime) -> None:
        # 10 March: 100 credits and 5 as a bonus for $9.00; the bonus burns first. She spends 25: 5 and 20.
        buy("purchase:1", 100, 900, bonus=5)
        spend(25)
        # A gift of 10 ends on 20 March with 10 left, for it is given after she has spent.
        give(10, kind="bonus", source="gift", expires_at=now + timedelta(days=10))
        services.expire(now=now + timedelta(days=10))
        # 2 April: she spends 30 more, and support takes 1.
        april = now + timedelta(days=23)
        spend(30, now=april)
        services.adjust(account_id=account_id, credits=Decimal(-1), reason="x", idempotency_key="a", now=april)

        march = report(MARCH, APRIL)
        assert figures(march, "purchase") == ((100, 20, 0, 0, 0, 80), (900, 180, 0, 0, 0, 720))
        assert figures(march, "bonus") == ((15, 5, 10, 0, 0, 0), (0, 0, 0, 0, 0, 0))
        assert (march.balance_credits, march.debt_credits) == (80, 0)
        assert figures(report(APRIL, MAY), "purchase") == ((0, 30, 0, 0, 1, 49), (0, 270, 0, 0, 9, 441))

    def test_of_a_refund_and_a_lost_dispute(self, account_id: UUID, buy: Buy, spend: Spend, now: datetime) -> None:
        # 50 for $5.00, of which 40 are spent. The whole price goes back: 10 are there, 30 of another purchase (250 for
        # $20.00, 8 cents each) go too, by their own price.
        buy("purchase:1", 50, 500)
        spend(40)
        buy("purchase:2", 250, 2000)
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(50),
            idempotency_key="re_1",
            now=now,
        )
        found = figures(report(MARCH, APRIL), "purchase")
        assert found == ((300, 40, 0, 50, 0, 210), (2500, 400, 0, 100 + 320, 0, 1680))

        # In April the refund fails: 50 come back as a new lot, with the $5.00 that were taken back for them.
        april = now + timedelta(days=23)
        services.give_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(50),
            new_source="refund_failed:re_1",
            now=april,
        )
        assert figures(report(APRIL, MAY), "purchase") == ((0, 0, 0, -50, 0, 260), (0, 0, 0, -500, 0, 2180))

    def test_of_a_debt_that_the_next_purchase_pays(
        self, account_id: UUID, buy: Buy, spend: Spend, now: datetime
    ) -> None:
        buy("purchase:1", 50, 500)
        spend(40)
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(50),
            idempotency_key="re_1",
            now=now,
        )
        march = report(MARCH, APRIL)
        assert figures(march, "purchase") == ((50, 40, 0, 10, 0, 0), (500, 400, 0, 100, 0, 0))
        assert (march.debt_credits, march.balance_credits) == (40, -40)
        buy("purchase:2", 100, 900, now=now + timedelta(days=23))
        april = report(APRIL, MAY)
        assert figures(april, "purchase") == ((100, 0, 0, 40, 0, 60), (900, 0, 0, 360, 0, 540))
        assert (april.debt_credits, april.balance_credits) == (0, 60)

    def test_of_a_capture_that_is_refunded_later(self, buy: Buy, spend: Spend, now: datetime) -> None:
        buy("purchase:1", 100, 900)
        hold_id = spend(40)
        services.refund_capture(hold_id=hold_id, reason="", now=now + timedelta(days=23))
        assert figures(report(MARCH, APRIL), "purchase") == ((100, 40, 0, 0, 0, 60), (900, 360, 0, 0, 0, 540))
        assert figures(report(APRIL, MAY), "purchase") == ((0, -40, 0, 0, 0, 100), (0, -360, 0, 0, 0, 900))


class TestRounding:
    def test_never_loses_or_makes_a_cent(self, buy: Buy, give: Give, spend: Spend, now: datetime) -> None:
        # 7 credits for $1.00: 14.2857… cents each. Every boundary is rounded, and the parts make 100.
        buy("purchase:1", 7, 100)
        used = []
        for day in range(7):
            at = now + timedelta(days=day)
            spend(1, now=at)
            one = figures(report(at, at + timedelta(days=1)), "purchase")[1]
            used.append(one[1])
        assert used == [14, 15, 14, 14, 14, 15, 14]
        assert sum(used) == 100

    def test_is_half_up(self, buy: Buy, spend: Spend) -> None:
        buy("purchase:1", 2, 5)
        spend(1)
        assert figures(report(MARCH, APRIL), "purchase")[1] == (5, 3, 0, 0, 0, 2)


class TestOutstanding:
    def test_is_what_is_available_or_held(self, buy: Buy, spend: Spend, place: Place, now: datetime) -> None:
        buy("purchase:1", 100, 900)
        spend(10)
        place(30, now=now + timedelta(minutes=5))
        found = report(MARCH, now + timedelta(minutes=6))
        assert figures(found, "purchase")[0] == (100, 10, 0, 0, 0, 90)

    def test_is_not_what_ended_unnoticed(self, give: Give, now: datetime) -> None:
        give(10, expires_at=now + timedelta(days=1))
        found = report(MARCH, APRIL)
        assert figures(found, "bonus")[0] == (10, 0, 10, 0, 0, 0)
        assert (found.balance_credits, found.debt_credits) == (0, 0)

    def test_of_a_purchase_whose_price_is_not_known_stands_apart(self, give: Give, buy: Buy) -> None:
        give(10, kind="purchase", source="old")
        buy("purchase:1", 100, 900)
        lines = report(MARCH, APRIL).lines
        assert [(line.currency, line.credits.outstanding) for line in lines] == [("", 10), ("usd", 100)]


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("ledger_report", *arguments, stdout=output)
    return output.getvalue()


class TestCommand:
    MARCH = ("--from", "2026-03-01", "--to", "2026-03-31")

    @pytest.fixture(autouse=True)
    def story(self, buy: Buy, spend: Spend) -> None:
        buy("purchase:1", 100, 900, bonus=5)
        spend(25)

    def test_prints_a_table(self) -> None:
        assert run(*self.MARCH) == (
            "Credits, 2026-03-01 to 2026-03-31 (UTC)\n"
            "kind            granted  used  expired  clawed back  corrected  outstanding\n"
            "bonus                 5     5        0            0          0            0\n"
            "purchase (usd)      100    20        0            0          0           80\n"
            "total               105    25        0            0          0           80\n"
            "\nOutstanding 80 - debt 0 = balance 80\n"
            "\nMoney paid for purchased credits, in minor units (cents)\n"
            "currency  paid  used  expired  clawed back  corrected  deferred\n"
            "usd        900   180        0            0          0       720\n"
        )

    def test_writes_csv(self) -> None:
        bonus, purchase = csv.DictReader(StringIO(run(*self.MARCH, "--format", "csv")))
        assert (bonus["kind"], bonus["granted_credits"], bonus["paid_cents"]) == ("bonus", "5", "")
        assert (purchase["used_credits"], purchase["used_cents"], purchase["deferred_cents"]) == ("20", "180", "720")

    def test_writes_json(self) -> None:
        answer = json.loads(run(*self.MARCH, "--format", "json"))
        assert answer["lines"][1] | {"kind": "purchase", "deferred_cents": 720} == answer["lines"][1]
        assert (answer["balance_credits"], answer["debt_credits"]) == (80, 0)

    @pytest.mark.parametrize(
        ("days", "sentence"),
        [
            (("--from", "2026-04-01", "--to", "2026-03-01"), "before it begins"),
            (("--from", "yesterday"), "not a day"),
            (("--from", "9998-01-01"), "has not come yet"),
            (("--from", "9998-01-01", "--to", "9998-12-31"), "has not come yet"),
        ],
    )
    def test_refuses_days_that_are_none(self, days: tuple[str, ...], sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence) as refusal:
            run(*days)
        assert refusal.value.returncode == 2
