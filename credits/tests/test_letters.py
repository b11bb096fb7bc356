"""Who runs low, or loses credits soon, is told once."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.tests.conftest import Give, Place
from smartspec import clock, paging

pytestmark = pytest.mark.django_db


@pytest.fixture
def warn(django_capture_on_commit_callbacks: Any, mailoutbox: list[Any]) -> Any:
    """Return a function that warns at a time and returns the subjects that were sent."""

    def run(at: Any = None) -> list[str]:
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            services.warn_of_low_balances(now=at or clock.now())
            services.warn_of_expiring_credits(now=at or clock.now())
        return [message.subject for message in mailoutbox]

    return run


def spend(place: Place, credits: int) -> None:
    held = place(credits, now=clock.now())
    services.capture_hold(hold_id=held.id, now=clock.now())


class TestLowBalance:
    def test_is_told_below_a_fifth_and_at_nothing_once_each(self, give: Give, place: Place, warn: Any) -> None:
        give("10", now=clock.now())
        spend(place, 8)
        assert warn() == []
        spend(place, 1)
        assert warn() == ["You have 1 credit left"]
        assert warn() == []
        spend(place, 1)
        assert warn() == ["You have no credits left"]
        assert warn() == []

    def test_is_told_once_when_it_goes_at_a_stroke(self, give: Give, place: Place, warn: Any) -> None:
        give("10", now=clock.now())
        spend(place, 10)
        assert warn() == ["You have no credits left"]
        assert warn() == []

    def test_is_no_news_to_who_never_had_any(self, account_id: Any, warn: Any) -> None:
        assert warn() == []


class TestExpiringCredits:
    def test_are_told_a_week_before_once_for_each_day(self, give: Give, warn: Any) -> None:
        now = clock.now()
        ends = now + timedelta(days=9)
        give("5", now=now, expires_at=ends)
        give("2.5", now=now, expires_at=ends)
        give("100", now=now)
        assert warn(now) == []
        (subject,) = warn(now + timedelta(days=3))
        assert subject.startswith("7.5 credits expire on ")
        assert warn(now + timedelta(days=4)) == []

    def test_are_told_of_by_the_thousand(self, give: Give, warn: Any) -> None:
        now = clock.now()
        give("4500", now=now, expires_at=now + timedelta(days=2))
        (subject,) = warn(now)
        assert subject.startswith("4,500 credits expire on ")

    def test_are_told_but_for_the_present_plans_own(self, account_id: UUID, warn: Any) -> None:
        now = clock.now()
        services.give_allowances(account_id=account_id, now=now)
        assert warn(now + timedelta(days=26)) == []
        year: dict[str, Any] = {"anchor_at": now, "paid_until": now + timedelta(days=365), "source": "sub_1"}
        services.set_plan(account_id=account_id, plan="pro", now=now + timedelta(days=1), **year)
        services.give_allowances(account_id=account_id, now=now + timedelta(days=1))
        (subject,) = warn(now + timedelta(days=27))
        assert subject.startswith("10 credits expire on ")
        assert warn(now + timedelta(days=32)) == []

    def test_are_told_to_many_who_are_read_together(self, alice: Any, bob: Any) -> None:
        now = clock.now()
        for person in (alice, bob):
            for days in (1, 2, 3):
                services.grant(
                    account_id=person.pk, kind="bonus", credits=Decimal(1), source=f"gift:{days}", now=now,
                    expires_at=now + timedelta(days=days),
                )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            assert services.warn_of_expiring_credits(now=now) == 6
        assert len([query for query in queries if '"users_user"."email"' in query["sql"]]) == 1

    def test_are_not_told_to_somebody_deactivated(self, alice: Any, give: Give, warn: Any) -> None:
        now = clock.now()
        give("5", now=now, expires_at=now + timedelta(days=2))
        alice.is_active = False
        alice.save()
        assert warn(now) == []

    def test_are_told_of_page_by_page(self, give: Give, warn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paging, "PAGE_ROWS", 1)
        now = clock.now()
        for day in (1, 2, 3):
            give(str(day), now=now, expires_at=now + timedelta(days=day))
        assert len(warn(now)) == 3
