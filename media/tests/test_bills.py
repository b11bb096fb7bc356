"""The daily bill: each account and day once, whatever stops, repeats or comes late."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from credits import selectors as credits_selectors
from credits import services as credits_services
from media import services
from media.models import StorageAccount, StorageDay
from media.tests.conftest import GIGABYTE, Store, ledger_lines
from smartspec.testing import SetClock

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ELEVENTH = datetime(2026, 3, 11, 0, 11, tzinfo=UTC)


@pytest.fixture
def stored(on_plan: Callable[..., None], give: Callable[..., None], store: Store, now: datetime) -> datetime:
    """Alice has 1 credit and has stored 3 GB since the 10th at noon: 0.0005 that day, 0.001 on each after it."""
    on_plan("pro")
    give("1")
    store(3 * GIGABYTE)
    return now


class TestBill:
    def test_is_a_line_of_usage_a_day(
        self, alice: Any, stored: datetime, available: Callable[[datetime], Decimal]
    ) -> None:
        bills = services.bill_storage(now=ELEVENTH)
        assert (bills.accounts, bills.days, bills.credits, bills.paid) == (1, 1, Decimal("0.0005"), Decimal("0.0005"))
        assert ledger_lines(alice.pk) == [("2026-03-10", "-0.0005", "Storage on 2026-03-10: 1.5 GB on average")]
        assert available(ELEVENTH) == Decimal("0.9995")
        (used,) = credits_selectors.usage_since(account_id=alice.pk, since=stored)
        assert (used.operation, used.credits, used.count) == ("storage", Decimal("0.0005"), 1)
        assert credits_selectors.verify_account(account_id=alice.pk) == []

    def test_again_charges_nothing(self, alice: Any, stored: datetime) -> None:
        services.bill_storage(now=ELEVENTH)
        for hours in (0, 1, 23):
            bills = services.bill_storage(now=ELEVENTH + timedelta(hours=hours))
            assert (bills.accounts, bills.credits) == (0, 0)
        assert len(ledger_lines(alice.pk)) == 1

    def test_catches_up_with_every_day_of_a_pause(self, alice: Any, stored: datetime) -> None:
        bills = services.bill_storage(now=ELEVENTH + 9 * DAY)
        assert (bills.accounts, bills.days, bills.credits) == (1, 10, Decimal("0.0095"))
        assert [day for day, _, _ in ledger_lines(alice.pk)] == [f"2026-03-{day}" for day in range(10, 20)]

    def test_late_or_daily_costs_the_same(
        self, alice: Any, bob: Any, on_plan: Callable[..., None], store: Store, now: datetime
    ) -> None:
        for user in (alice, bob):
            credits_services.grant(account_id=user.pk, kind="bonus", credits=Decimal(1), source="test", now=now)
            store(77_777_777, user_id=user.pk)
        for days in range(20):
            services.bill_account(
                user_id=alice.pk,
                until=date(2026, 3, 11) + days * DAY,
                now=ELEVENTH + days * DAY,
                bills=services.Bills(),
            )
        services.bill_storage(now=ELEVENTH + 19 * DAY)
        first, second = StorageAccount.objects.all()
        assert (first.billed_credits, first.carried) == (second.billed_credits, second.carried)
        assert [line[:2] for line in ledger_lines(alice.pk)] == [line[:2] for line in ledger_lines(bob.pk)]

    def test_stops_before_a_day(self, alice: Any, stored: datetime) -> None:
        services.bill_storage(now=ELEVENTH + 9 * DAY, until=date(2026, 3, 12))
        assert [day for day, _, _ in ledger_lines(alice.pk)] == ["2026-03-10", "2026-03-11"]

    def test_waits_for_a_day_to_be_over(self, stored: datetime) -> None:
        with pytest.raises(services.DayNotOver):
            services.bill_storage(now=ELEVENTH, until=date(2026, 3, 12))

    def test_of_less_than_a_millionth_is_carried(self, alice: Any, store: Store, give: Callable[..., None]) -> None:
        give("1")
        store(1_000_000)  # 0.000000333 a day
        services.bill_storage(now=ELEVENTH)
        assert ledger_lines(alice.pk) == []
        assert StorageDay.objects.get().credits == 0
        services.bill_storage(now=ELEVENTH + 3 * DAY)
        assert ledger_lines(alice.pk) == [("2026-03-13", "-0.000001", "Storage on 2026-03-13: 0.001 GB on average")]

    def test_ends_with_the_files(self, alice: Any, stored: datetime) -> None:
        services.delete_all_assets(user_id=alice.pk, now=stored + timedelta(hours=6))
        services.bill_storage(now=ELEVENTH + 9 * DAY)
        assert ledger_lines(alice.pk) == [("2026-03-10", "-0.00025", "Storage on 2026-03-10: 0.75 GB on average")]

    def test_forgets_no_day_of_files_that_came_and_went_in_a_pause(
        self, alice: Any, stored: datetime, store: Store
    ) -> None:
        for day in range(1, 9, 3):
            services.delete_all_assets(user_id=alice.pk, now=stored + day * DAY)
            store(3 * GIGABYTE, at=stored + (day + 2) * DAY)
        assert services.bill_storage(now=ELEVENTH + 9 * DAY).days == 7
        assert [credits for _, credits, _ in ledger_lines(alice.pk)] == ["-0.0005"] * 7
        assert services.bill_storage(now=ELEVENTH + 9 * DAY).accounts == 0

    def test_over_quota_goes_on(self, alice: Any, stored: datetime, on_plan: Callable[..., None]) -> None:
        on_plan("free")
        services.bill_storage(now=ELEVENTH)
        assert len(ledger_lines(alice.pk)) == 1

    def test_takes_the_rate_of_the_days_beginning(self, alice: Any, stored: datetime) -> None:
        from credits import catalogue
        from credits.models import Rate

        Rate.objects.create(
            operation="storage",
            unit="gb_month",
            base_credits=Decimal("0.02"),
            effective_from=stored + timedelta(days=1),
        )
        catalogue.forget()
        services.bill_storage(now=ELEVENTH + 2 * DAY)
        catalogue.forget()
        assert [credits for _, credits, _ in ledger_lines(alice.pk)] == ["-0.0005", "-0.001", "-0.002"]

    def test_frozen_accounts_pay_too(self, alice: Any, stored: datetime) -> None:
        credits_services.freeze(account_id=alice.pk, cause="staff", now=stored)
        assert services.bill_storage(now=ELEVENTH).paid == Decimal("0.0005")

    def test_that_fails_for_one_is_made_for_the_others(
        self, alice: Any, bob: Any, stored: datetime, store: Store
    ) -> None:
        # Alice's day was charged before, with another amount: her books were put back to an older state.
        credits_services.charge(
            account_id=alice.pk, operation="storage", credits=Decimal("0.5"), idempotency_key="storage:2026-03-10",
            now=stored, partial=True,
        )  # fmt: skip
        store(50_000_000, user_id=bob.pk)
        bills = services.bill_storage(now=ELEVENTH)
        assert (bills.failed, bills.accounts) == (1, 1)
        assert StorageDay.objects.get(user=bob).billed_at == ELEVENTH
        assert not StorageDay.objects.filter(user=alice, billed_at__isnull=False).exists()


class TestCommand:
    def run(self, *arguments: str) -> str:
        output = io.StringIO()
        call_command("bill_storage", *arguments, stdout=output)
        return output.getvalue()

    @pytest.fixture(autouse=True)
    def at(self, set_clock: SetClock) -> None:
        set_clock(ELEVENTH + DAY)

    def test_says_what_it_charged(self, alice: Any, stored: datetime) -> None:
        assert self.run() == (
            "1 accounts were charged 0.0015 credits for 2 days: 0.0015 paid, 0 in arrears."
            " 0 of older arrears were paid.\n"
        )
        assert self.run().startswith("0 accounts were charged 0 credits")

    def test_dry_reckons_and_writes_nothing(self, alice: Any, stored: datetime) -> None:
        assert self.run("--dry-run") == "1 accounts would be charged 0.0015 credits for 2 days.\n"
        assert ledger_lines(alice.pk) == []
        assert not StorageDay.objects.exists()
        assert self.run("--dry-run", "--until", "2026-03-11").startswith("1 accounts would be charged 0.0005")
        assert self.run("--until", "2026-03-11").startswith("1 accounts were charged 0.0005")

    def test_refuses_the_future(self, stored: datetime) -> None:
        with pytest.raises(CommandError, match="today is 2026-03-12"):
            self.run("--until", "2026-03-13")

    def test_exits_with_1_when_an_account_failed(self, alice: Any, stored: datetime) -> None:
        credits_services.charge(
            account_id=alice.pk, operation="storage", credits=Decimal("0.5"), idempotency_key="storage:2026-03-10",
            now=stored, partial=True,
        )  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            self.run()
        assert ended.value.code == 1
