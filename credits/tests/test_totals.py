"""What all accounts do on a day is counted once, for everybody who asks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import selectors, services
from credits.models import DayTotal, Hold

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)


@pytest.fixture
def lives(alice: Any, bob: Any) -> None:
    """Alice is given 100, spends 1 yesterday and 5 today, of which 2 come back; Bob's 10 expire, 4 are taken."""
    for user, source, credits, expires_at in (
        (alice, "1", 100, None),
        (bob, "2", 10, NOW - timedelta(hours=2)),
        (bob, "3", 9, None),
    ):
        services.grant(
            account_id=user.pk, kind="purchase", credits=Decimal(credits), source=source, now=YESTERDAY,
            expires_at=expires_at,
        )  # fmt: skip
    plan: dict[str, Any] = {"plan": "pro", "anchor_at": YESTERDAY, "paid_until": None, "source": "sub_1"}
    services.set_plan(account_id=alice.pk, now=YESTERDAY, **plan)
    for operation, at in (("image_generation", YESTERDAY), ("video_generation", NOW)):
        hold = services.place_hold(
            account_id=alice.pk, operation=operation, reference_id=operation, idempotency_key=operation, now=at
        )
        services.capture_hold(hold_id=hold.id, now=at)
    services.refund_capture(hold_id=hold.id, credits=Decimal(2), reason="worthless", now=NOW)
    services.expire(now=NOW)
    services.adjust(account_id=bob.pk, credits=Decimal(-4), reason="mistake", idempotency_key="1", now=NOW)


class TestDays:
    def test_are_summed_over_all_accounts(self, lives: None) -> None:
        services.count_days(now=NOW)
        today, both = selectors.sum_days(now=NOW, days=1), selectors.sum_days(now=NOW, days=2)
        assert (today.given, today.spent, today.expired, today.taken_back) == (0, 3, 10, 4)
        assert (both.given, both.spent, both.expired, both.taken_back) == (119, 4, 10, 4)
        assert today.counted_at == NOW

    def test_tell_what_stands_in_the_accounts(self, lives: None) -> None:
        services.count_days(now=NOW)
        stood = selectors.get_standing()
        assert (stood.outstanding, stood.debt, stood.accounts_in_debt) == (101, 0, 0)

    def test_show_usage_by_operation_also_of_empty_days(self, lives: None) -> None:
        services.count_days(now=NOW)
        dates, series = selectors.usage_of_days(now=NOW, days=3)
        assert [f"{day:%d}" for day in dates] == ["08", "09", "10"]
        assert series == {"image_generation": [0, 1, 0], "video_generation": [0, 0, 3]}

    def test_are_the_same_however_often_they_are_counted(self, lives: None) -> None:
        services.count_days(now=NOW)
        once = set(DayTotal.objects.values_list("day_date", "kind", "name", "count", "credits"))
        services.count_days(now=NOW)
        assert set(DayTotal.objects.values_list("day_date", "kind", "name", "count", "credits")) == once

    def test_that_were_missed_are_counted_later(self, lives: None) -> None:
        services.count_days(now=YESTERDAY)
        services.count_days(now=NOW + timedelta(days=3))
        assert selectors.sum_days(now=NOW + timedelta(days=3), days=5).spent == 4

    def test_that_were_missed_for_longer_than_they_are_shown_are_counted_too(self, lives: None) -> None:
        services.count_days(now=YESTERDAY)
        later = NOW + timedelta(days=60)
        services.count_days(now=later)
        assert selectors.sum_days(now=later, days=62).spent == 4

    def test_are_counted_again_once_a_day_for_what_came_into_them_later(self, lives: None) -> None:
        later, next_day = NOW + timedelta(days=5), NOW + timedelta(days=6)
        services.count_days(now=later)
        image = Hold.objects.get(operation="image_generation")
        services.refund_capture(hold_id=image.public_id, reason="worthless", now=later)
        assert services.count_days(now=later) == 2
        assert services.count_days(now=next_day) == 31
        assert selectors.usage_of_days(now=next_day, days=10)[1]["image_generation"] == [0] * 10

    def test_are_nothing_before_the_first_count(self, db: None) -> None:
        assert selectors.sum_days(now=NOW, days=30).counted_at is None
        assert selectors.get_standing().outstanding == 0

    def test_are_read_without_touching_entries(self, lives: None) -> None:
        services.count_days(now=NOW)
        with CaptureQueriesContext(connection) as queries:
            selectors.sum_days(now=NOW, days=30)
            selectors.get_standing()
            selectors.usage_of_days(now=NOW, days=30)
        assert not [query for query in queries if "credits_daytotal" not in query["sql"]]
