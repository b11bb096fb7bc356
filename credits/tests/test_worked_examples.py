"""Month-long stories, with numbers that a reader can add up on paper."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from credits import selectors, services
from credits.models import Entry
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
