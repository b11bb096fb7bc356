"""Machines whose clocks differ by minutes work on one account: what counts is the order in which they came."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from credits import selectors, services
from credits.tests.conftest import Give, Place

pytestmark = pytest.mark.django_db

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SKEWS = [timedelta(minutes=-5), timedelta(minutes=5)]


@pytest.mark.parametrize("skew", SKEWS, ids=["behind", "ahead"])
class TestAnotherMachine:
    def test_settles_what_was_held(
        self, skew: timedelta, account_id: UUID, give: Give, place: Place, available: Callable[..., Decimal], now: Any
    ) -> None:
        give(10)
        first, second = place(2), place(3)
        services.capture_hold(hold_id=first.id, now=now + skew)
        services.release_hold(hold_id=second.id, now=now + skew)
        services.refund_capture(hold_id=first.id, credits=Decimal(1), reason="worthless", now=now)
        assert available(now) == available(now + skew) == 9

    def test_finds_credits_that_were_just_given(
        self, skew: timedelta, account_id: UUID, give: Give, place: Place, now: Any
    ) -> None:
        give(10)
        assert place(10, now=now + skew).available == 0

    def test_writes_a_history_without_gaps(self, skew: timedelta, account_id: UUID, give: Give, now: datetime) -> None:
        for turn in range(6):
            give(1, now=now + skew * (turn % 2))
        lines = selectors.list_transactions(filter=selectors.TransactionFilter(account_id), limit=10).transactions
        assert [line.number for line in lines] == [6, 5, 4, 3, 2, 1]
        assert [line.balance_after for line in lines] == [6, 5, 4, 3, 2, 1]


def test_a_hold_ends_once_by_whichever_clock_reaches_its_end_first(
    account_id: UUID, give: Give, place: Place, available: Callable[..., Decimal], now: datetime
) -> None:
    give(10)
    hold = place(4, ttl_seconds=60)
    services.expire(now=now + timedelta(minutes=5), limit=10)  # the worker's clock is ahead of the web server's
    with pytest.raises(services.HoldExpired):
        services.capture_hold(hold_id=hold.id, now=now)
    assert available(now) == 10


class TestAPlanThatComesFromAClockBehind:
    """The clock is read before locks and calls to Stripe are waited for: a month may have begun meanwhile."""

    @pytest.fixture
    def month(self, account_id: UUID, now: datetime) -> datetime:
        """The beginning of the account's second month."""
        set_free(account_id, anchor_at=now, now=now)
        return selectors.month_at(anchor_at=now, at=now).end_at

    def test_does_not_turn_the_month_back(
        self, month: datetime, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        job = place(5, now=month + SECOND)
        services.capture_hold(hold_id=job.id, now=month + SECOND)
        set_free(account_id, anchor_at=now, now=month - SECOND)
        assert selectors.get_balance(account_id=account_id, now=month + MINUTE).used == 5
        give(1, now=month + MINUTE)
        assert selectors.verify_account(account_id=account_id) == []
        services.refund_capture(hold_id=job.id, reason="worthless", now=month + MINUTE)
        assert selectors.get_balance(account_id=account_id, now=month + MINUTE).used == 0

    def test_had_turned_it_back_and_what_was_used_is_counted_again(
        self, month: datetime, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        services.capture_hold(hold_id=place(5, now=month + SECOND).id, now=month + SECOND)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE credits_account SET period_used = 0")
            assert [fault.fault for fault in selectors.verify_account(account_id=account_id)] == ["account_period_used"]
            cursor.execute(import_module("credits.migrations.0024_set_plan_late").REPAIR)
        assert selectors.get_balance(account_id=account_id, now=month + MINUTE).used == 5

    def test_from_another_source_ends_what_was_given_since(
        self, month: datetime, account_id: UUID, available: Callable[..., Decimal], now: datetime
    ) -> None:
        set_free(account_id, anchor_at=now, now=month, source="sub_1")
        services.grant(
            account_id=account_id,
            kind="subscription",
            credits=Decimal(500),
            source="upgrade:in_1",
            expires_at=month + 30 * MINUTE,
            now=month + SECOND,
        )
        set_free(account_id, anchor_at=now, now=month - SECOND)
        assert available(month + MINUTE) == 0


def set_free(account_id: UUID, *, anchor_at: datetime, now: datetime, source: str = "free") -> None:
    services.set_plan(account_id=account_id, plan="free", anchor_at=anchor_at, paid_until=None, source=source, now=now)
