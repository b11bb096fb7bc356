"""Month-long stories, with numbers that a reader can add up on paper."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.conf import settings

from credits import selectors, services
from credits.models import Entry, Grant, Hold
from credits.prices import plain
from credits.tests.conftest import Give, Place

DAY = timedelta(days=1)


def figures(account_id: UUID, at: datetime) -> tuple[str, str, str, str]:
    """Return total, used, held and available as a person reads them."""
    balance = selectors.get_balance(account_id=account_id, now=at)
    return tuple(f"{n.normalize():f}" for n in (balance.total, balance.used, balance.held, balance.available))  # type: ignore[return-value]


def history(account_id: UUID) -> list[tuple[str, str, str]]:
    entries = Entry.objects.filter(account_id=account_id).order_by("number")
    return [
        (entry.entry_type, f"{entry.delta_credits.normalize():+f}", f"{entry.balance_after.normalize():f}")
        for entry in entries
    ]


class TestAliceBuysAndSubscribes:
    def test_her_first_month(self, account_id: UUID, place: Place, now: datetime) -> None:
        # 10 March, noon: her address is verified, Free's 10 credits arrive.
        services.give_allowances(account_id=account_id, now=now)
        assert figures(account_id, now) == ("10", "0", "0", "10")

        # The next day she makes 4 images, 1 credit each.
        day = now + DAY
        services.capture_hold(hold_id=place(4, now=day).id, now=day)
        assert figures(account_id, day) == ("10", "4", "0", "6")

        # She buys the package of 100; 5 are a bonus. The purchase is one entry, the bonus another.
        for kind, credits in (("purchase", 100), ("bonus", 5)):
            services.grant(account_id=account_id, kind=kind, credits=Decimal(credits), source="purchase:1", now=day)
        assert figures(account_id, day) == ("115", "4", "0", "111")

        # And subscribes to Pro: 500 for a month from now. What she used counts from the new month on.
        day += DAY
        month_end = datetime(2026, 4, 12, 12, tzinfo=UTC)
        services.set_plan(
            account_id=account_id, plan="pro", anchor_at=day, paid_until=month_end, source="sub_1", now=day
        )
        services.give_allowances(account_id=account_id, now=day)
        assert figures(account_id, day) == ("611", "0", "0", "611")

        # A long video: held at 10, the job fails, nothing is spent. The second try succeeds.
        failed = place(1, operation="video_generation", duration_seconds=8, now=day)
        assert figures(account_id, day) == ("611", "0", "10", "601")
        services.release_hold(hold_id=failed.id, now=day)
        second = place(1, operation="video_generation", duration_seconds=8, now=day)
        services.capture_hold(hold_id=second.id, now=day)
        assert figures(account_id, day) == ("611", "10", "0", "601")

        # The video was black: it is refunded. 6 of its credits were Free's (they end sooner), 4 Pro's: back they go.
        services.refund_capture(hold_id=second.id, reason="Black video", now=day)
        assert figures(account_id, day) == ("611", "0", "0", "611")

        # 10 April: Free's 6 end. 12 April: Pro is renewed, 500 end and 500 come. The 105 stay for ever.
        services.expire(now=datetime(2026, 4, 10, 12, tzinfo=UTC))
        renewed_at = month_end + timedelta(hours=1)
        services.set_plan(
            account_id=account_id,
            plan="pro",
            anchor_at=day,
            paid_until=datetime(2026, 5, 12, 12, tzinfo=UTC),
            source="sub_1",
            now=renewed_at,
        )
        services.give_allowances(account_id=account_id, now=renewed_at)
        assert figures(account_id, renewed_at) == ("605", "0", "0", "605")
        assert history(account_id) == [
            ("subscription", "+10", "10"),
            ("usage", "-4", "6"),
            ("purchase", "+100", "106"),
            ("bonus", "+5", "111"),
            ("subscription", "+500", "611"),
            ("usage", "-10", "601"),
            ("refund", "+10", "611"),
            ("expiry", "-6", "605"),
            ("expiry", "-500", "105"),
            ("subscription", "+500", "605"),
        ]


class TestAliceAsksForHerMoneyBack:
    def test_after_she_has_spent_some_of_it(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        # She buys 50, spends 30, and has 8 of an earlier bonus.
        give(8)
        give(50, kind="purchase", source="purchase:1")
        services.capture_hold(hold_id=place(38).id, now=now)  # 8 of the bonus first, then 30 of the 50
        assert figures(account_id, now) == ("58", "38", "0", "20")

        # Her bank takes the whole price back: 50 credits must go, 20 are there, 30 are debt.
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(50),
            idempotency_key="dispute:dp_1",
            now=now,
        )
        services.freeze(account_id=account_id, cause="dispute:dp_1", now=now)
        balance = selectors.get_balance(account_id=account_id, now=now)
        assert (balance.available, balance.debt, balance.balance) == (0, 30, -30)

        # We win: the credits come back, the debt first, and the account thaws.
        services.give_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(50),
            new_source="dispute_won:dp_1",
            now=now,
        )
        services.thaw(account_id=account_id, cause="dispute:dp_1", now=now)
        balance = selectors.get_balance(account_id=account_id, now=now)
        assert (balance.available, balance.debt, balance.is_frozen) == (20, 0, False)
        assert history(account_id) == [
            ("bonus", "+8", "8"),
            ("purchase", "+50", "58"),
            ("usage", "-38", "20"),
            ("clawback", "-50", "-30"),
            ("clawback", "+50", "20"),
        ]


class TestAMonthOfJobs:
    def test_that_succeed_fail_and_are_forgotten(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        # 10 March, noon: she has 20 that end on the 12th at noon, and 30 bought that never end.
        give(20, expires_at=now + 2 * DAY)
        give(30, kind="purchase", source="purchase:1")

        # A job of 25 takes the 20 and 5 of the bought. It needs only 8: first the 5 go back, then 12 of the 20.
        job = place(25)
        assert figures(account_id, now) == ("50", "0", "25", "25")
        services.capture_hold(hold_id=job.id, credits=Decimal(8), now=now)
        assert figures(account_id, now) == ("50", "8", "0", "42")

        # On the 12th, ten minutes before their end, a job takes the 12 that are left; at three past noon it fails.
        job = place(12, now=now + 2 * DAY - timedelta(minutes=10))
        failed_at = now + 2 * DAY + timedelta(minutes=3)
        assert figures(account_id, failed_at) == ("50", "8", "12", "30")
        services.release_hold(hold_id=job.id, now=failed_at)
        assert figures(account_id, failed_at) == ("50", "8", "0", "42")

        # They live for another day, not longer.
        assert figures(account_id, failed_at + DAY - timedelta(seconds=1))[3] == "42"
        services.expire(now=failed_at + DAY)
        assert figures(account_id, failed_at + DAY) == ("38", "8", "0", "30")

        # On the 20th a worker dies with a job of 4: after its 15 minutes the credits are back, and it comes too late.
        day = now + 10 * DAY
        lost = place(4, now=day)
        assert figures(account_id, day + timedelta(minutes=14)) == ("38", "8", "4", "26")
        assert figures(account_id, day + timedelta(minutes=15)) == ("38", "8", "0", "30")
        with pytest.raises(services.HoldExpired):
            services.capture_hold(hold_id=lost.id, now=day + timedelta(minutes=16))
        assert history(account_id) == [
            ("bonus", "+20", "20"),
            ("purchase", "+30", "50"),
            ("usage", "-8", "42"),
            ("expiry", "-12", "30"),
        ]


class TestAMonthInDebt:
    def test_is_paid_by_whatever_comes_next(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        # She buys 100, spends 70, and has 20 in a job when her bank takes the price back: 10 are there, 90 are owed.
        give(100, kind="purchase", source="purchase:1")
        spent = place(70)
        services.capture_hold(hold_id=spent.id, now=now)
        job = place(20)
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(100),
            idempotency_key="re_1",
            now=now,
        )
        assert owed(account_id, now) == ("0", "20", "90")

        # The job fails: its 20 pay debt. The 70 turn out worthless, and 30 of them are refunded: they pay too.
        services.release_hold(hold_id=job.id, now=now + timedelta(minutes=10))
        assert owed(account_id, now + timedelta(minutes=10)) == ("0", "0", "70")
        services.refund_capture(hold_id=spent.id, credits=Decimal(30), reason="Black", now=now + 2 * DAY)
        assert owed(account_id, now + 2 * DAY) == ("0", "0", "40")

        # Storage takes what there is: nothing. A purchase of 50 pays the last 40; 10 are hers. Storage takes 0.25.
        assert charge(account_id, "0.25", now + 3 * DAY) == 0
        give(50, kind="purchase", source="purchase:2", now=now + 4 * DAY)
        assert owed(account_id, now + 4 * DAY) == ("10", "0", "0")
        assert charge(account_id, "0.25", now + 5 * DAY) == Decimal("0.25")
        assert history(account_id) == [
            ("purchase", "+100", "100"),
            ("usage", "-70", "30"),
            ("clawback", "-100", "-70"),
            ("refund", "+30", "-40"),
            ("purchase", "+50", "10"),
            ("usage", "-0.25", "9.75"),
        ]


def owed(account_id: UUID, at: datetime) -> tuple[str, str, str]:
    """Return what is available, held and owed."""
    balance = selectors.get_balance(account_id=account_id, now=at)
    return tuple(f"{n.normalize():f}" for n in (balance.available, balance.held, balance.debt))  # type: ignore[return-value]


def charge(account_id: UUID, credits: str, at: datetime) -> Decimal:
    return services.charge(
        account_id=account_id,
        operation="storage",
        credits=Decimal(credits),
        partial=True,
        idempotency_key=f"storage:{at}",
        now=at,
    ).credits


class TestThePictureInTheReadme:
    def test_is_what_the_ledger_does(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        picture = (settings.BASE_DIR / "README.md").read_text().partition("How the ledger works")[2]
        give(100, kind="purchase", source="purchase:1")
        give(5, kind="bonus", source="purchase:1")
        give(500, kind="subscription", source="allowance:sub_1:2026-03-10", expires_at=now + 30 * DAY)
        services.capture_hold(hold_id=place(496).id, now=now)
        assert lots() == {1: "100", 2: "5", 3: "4"}

        held = place(10)
        receipt = Hold.objects.get(number=held.number)
        taken = dict(zip(receipt.lot_numbers, receipt.lot_credits, strict=True))
        assert [f"lot {number}: {plain(credits)}" for number, credits in taken.items()] == [
            "lot 3: 4", "lot 2: 5", "lot 1: 1",
        ]  # fmt: skip
        assert owed(account_id, now) == ("99", "10", "0")

        entry = services.capture_hold(hold_id=held.id, credits=Decimal("7.5"), now=now).entry
        assert entry is not None
        assert (plain(entry.delta_credits), plain(entry.balance_after)) == ("-7.5", "101.5")
        assert lots() == {1: "100", 2: "1.5", 3: "0"}
        assert owed(account_id, now) == ("101.5", "0", "0")
        for figure in (
            "lot 3: 4",
            "lot 2: 5",
            "lot 1: 1",
            "1 goes back to lot 1, 1.5 to lot 2",
            "109 = 99 + 10",
            "−7.5",
        ):
            assert figure in picture


def lots() -> dict[int, str]:
    return {lot.number: plain(lot.remaining) for lot in Grant.objects.all()}
