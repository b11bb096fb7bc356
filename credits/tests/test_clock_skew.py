"""Machines whose clocks differ by minutes work on one account: what counts is the order in which they came."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from credits import selectors, services
from credits.tests.conftest import Give, Place

pytestmark = pytest.mark.django_db

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
