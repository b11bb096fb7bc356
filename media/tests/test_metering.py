"""The arithmetic of storage, with numbers that a reader can check on paper."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from media import metering, services
from media.models import StorageAccount, StorageDay
from media.tests.conftest import GIGABYTE, Store, ledger_lines

RATE = Decimal("0.01")
DAY_SECONDS = 86_400


class TestPrice:
    def test_of_a_gigabyte_for_a_month_is_the_rate(self) -> None:
        assert metering.monthly_credits(stored_bytes=GIGABYTE, rate=RATE) == Decimal("0.01")
        assert metering.monthly_credits(stored_bytes=2_500_000_000, rate=RATE) == Decimal("0.025")

    def test_of_a_day_is_floored_and_the_rest_carried(self) -> None:
        # 0.01 / 30 = 0.000333 and a third of a millionth.
        byte_seconds = Decimal(GIGABYTE * DAY_SECONDS)
        credits, carried = metering.price(byte_seconds=byte_seconds, rate=RATE, carried=Decimal(0))
        assert credits == Decimal("0.000333")
        assert carried == metering.BYTE_SECONDS_PER_GB_MONTH * metering.SMALLEST_CREDITS / 3

    def test_thirty_days_are_a_month_to_the_millionth(self) -> None:
        carried, charged = Decimal(0), []
        for _ in range(30):
            credits, carried = metering.price(byte_seconds=Decimal(GIGABYTE * DAY_SECONDS), rate=RATE, carried=carried)
            charged.append(credits)
        assert charged[:4] == [Decimal("0.000333"), Decimal("0.000333"), Decimal("0.000334"), Decimal("0.000333")]
        assert (sum(charged), carried) == (Decimal("0.01"), 0)

    def test_of_a_byte_is_not_lost(self) -> None:
        # A byte costs 0.01 / 10^9 a month, so it reaches a millionth after 100,000 months.
        months = 100_000
        credits, carried = metering.price(
            byte_seconds=Decimal(metering.SECONDS_PER_MONTH * months - 1), rate=RATE, carried=Decimal(0)
        )
        assert credits == 0
        credits, carried = metering.price(byte_seconds=Decimal(1), rate=RATE, carried=carried)
        assert (credits, carried) == (Decimal("0.000001"), 0)

    def test_is_exact_for_more_than_anyone_stores(self) -> None:
        byte_seconds = Decimal(10**15 * DAY_SECONDS) + Decimal("0.000001")
        credits, carried = metering.price(byte_seconds=byte_seconds, rate=Decimal("0.010001"), carried=Decimal(0))
        whole = credits * metering.BYTE_SECONDS_PER_GB_MONTH + carried
        assert whole == byte_seconds * Decimal("0.010001")


class TestDays:
    def test_are_split_at_midnight_in_utc_to_the_microsecond(self) -> None:
        start = datetime(2026, 3, 10, 23, 59, 59, 250_001, tzinfo=UTC)
        assert list(metering.split_by_day(start, datetime(2026, 3, 12, 6, tzinfo=UTC))) == [
            (date(2026, 3, 10), Decimal("0.749999")),
            (date(2026, 3, 11), Decimal(DAY_SECONDS)),
            (date(2026, 3, 12), Decimal(6 * 3600)),
        ]
        assert list(metering.split_by_day(start, start)) == []


@pytest.mark.django_db
class TestWorkedExample:
    def test_three_days_of_two_files(
        self, alice: Any, store: Store, on_plan: Callable[..., None], give: Callable[..., None], now: datetime
    ) -> None:
        on_plan("pro")
        give("1")
        # 10 March, 12:00: a video of 3 GB. 12 hours of it: 1.5 GB on average, 1.5 x 0.01 / 30 = 0.0005.
        video = store(3 * GIGABYTE, at=now)
        # 11 March, 06:00: another of 0.8 GB; 18:00: the first is deleted.
        #   3 GB for 18 h, 0.8 GB for 18 h: (54 + 14.4) / 24 = 2.85 GB on average, 2.85 x 0.01 / 30 = 0.00095.
        eleventh = datetime(2026, 3, 11, tzinfo=UTC)
        store(800_000_000, at=eleventh + timedelta(hours=6))
        services.delete_asset(asset_id=str(video.pk), user_id=alice.pk, now=eleventh + timedelta(hours=18))
        # 12 March: 0.8 GB all day: 0.8 x 0.01 / 30 = 0.000266 and two thirds of a millionth.
        # 13 March: the same, and the two thirds: 0.000267 and a third.
        services.bill_storage(now=datetime(2026, 3, 14, 0, 11, tzinfo=UTC))

        assert ledger_lines(alice.pk) == [
            ("2026-03-10", "-0.0005", "Storage on 2026-03-10: 1.5 GB on average"),
            ("2026-03-11", "-0.00095", "Storage on 2026-03-11: 2.85 GB on average"),
            ("2026-03-12", "-0.000266", "Storage on 2026-03-12: 0.8 GB on average"),
            ("2026-03-13", "-0.000267", "Storage on 2026-03-13: 0.8 GB on average"),
        ]
        account = StorageAccount.objects.get(user=alice)
        assert account.paid_credits == account.billed_credits == Decimal("0.001983")
        assert account.carried == metering.BYTE_SECONDS_PER_GB_MONTH * metering.SMALLEST_CREDITS / 3
        days = StorageDay.objects.filter(user=alice).order_by("day_date")
        assert [day.byte_seconds for day in days] == [
            3 * GIGABYTE * 12 * 3600,
            (3 * GIGABYTE + 800_000_000) * 12 * 3600 + 3 * GIGABYTE * 6 * 3600 + 800_000_000 * 6 * 3600,
            800_000_000 * DAY_SECONDS,
            800_000_000 * DAY_SECONDS,
        ]
