from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from credits import selectors, services
from credits.models import Account, Hold
from credits.tests.conftest import Give, Place, balance
from smartspec.errors import DomainError


def attempt(call: Callable[..., services.PlacedHold], **arguments: Any) -> services.PlacedHold | DomainError:
    try:
        return call(**arguments)
    except DomainError as refusal:
        return refusal


def answer(outcome: services.PlacedHold | DomainError) -> Any:
    """What an outcome says, but for whose it is."""
    if isinstance(outcome, DomainError):
        return outcome.code, outcome.context
    return outcome.number, outcome.credits, outcome.available, outcome.expires_at, outcome.is_replay


def rows(account_id: UUID) -> list[dict[str, Any]]:
    """An account with its holds and lots, but for whose they are and what they are called outside."""
    own = {"id", "user_id", "account_id", "source", "public_id"}
    account = Account.objects.get(pk=account_id)
    return [
        {name: value for name, value in row.items() if name not in own}
        for found in (Account.objects.filter(pk=account_id), account.holds, account.grants)
        for row in found.order_by("pk").values()
    ]


class TestMany:
    def test_each_hold_has_its_own_outcome(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(3)
        requests = [
            services.HoldRequest("image_generation", "a", "key-a"),
            services.HoldRequest("video_generation", "b", "key-b"),
            services.HoldRequest("image_generation", "c", "key-c", quantity=5),
            services.HoldRequest("nonsense", "d", "key-d"),
            services.HoldRequest("image_generation", "e", "key-e", quality="hd"),
            services.HoldRequest("image_generation", "a", "key-a"),
        ]
        a, b, c, d, e, again = services.hold_many(account_id=account_id, holds=requests, now=now)
        assert isinstance(a, services.PlacedHold)
        assert a.available == 2
        assert isinstance(b, services.FeatureNotInPlan)
        assert isinstance(c, services.InsufficientCredits)
        assert isinstance(d, services.UnknownOperation)
        assert isinstance(e, services.PlacedHold)
        assert e.credits == Decimal("1.5")
        assert isinstance(again, services.PlacedHold)
        assert again.is_replay
        assert Hold.objects.get(number=e.number).parameters == {"quality": "hd"}
        assert Hold.objects.get(number=a.number).parameters is None

    @pytest.mark.parametrize("lots", [[20], [6], [2, 20], [1, 1, 4], []], ids=str)
    @pytest.mark.parametrize("used_key", ["key-0", "key-3", "another"])
    def test_leaves_what_one_after_the_other_would_leave(
        self, account_id: UUID, bob: Any, give: Give, place: Place, lots: list[int], used_key: str, now: datetime
    ) -> None:
        """At once or one by one: the same answers, holds, receipts, lots and balances."""
        jobs = [
            services.HoldRequest("image_generation", "job", f"key-{n}", quantity=1 + n % 2, ttl_seconds=600 - n)
            for n in range(4)
        ]
        for account in (account_id, bob.pk):
            for credits in lots:
                give(credits, account_id=account)
            if lots:
                place(account_id=account, reference_id="job", idempotency_key=used_key, ttl_seconds=600)

        at_once = services.hold_many(account_id=account_id, holds=jobs, now=now)
        one_by_one = [attempt(services.place_hold, account_id=bob.pk, now=now, **asdict(job)) for job in jobs]

        assert [answer(outcome) for outcome in at_once] == [answer(outcome) for outcome in one_by_one]
        assert rows(account_id) == rows(bob.pk)
        assert selectors.verify_account(account_id=bob.pk) == []

    def test_each_capture_has_its_own_outcome(
        self, account_id: UUID, give: Give, place: Place, bob: Any, now: datetime
    ) -> None:
        give(10)
        one, two, three = place(1), place(2), place(3)
        services.release_hold(hold_id=three.id, now=now)
        outcomes = services.capture_many(
            account_id=account_id,
            captures=[
                services.CaptureRequest(one.id),
                services.CaptureRequest("nonsense"),
                services.CaptureRequest(two.id, Decimal(1)),
                services.CaptureRequest(three.id),
            ],
            now=now,
        )
        assert isinstance(outcomes[0], services.Settled)
        assert isinstance(outcomes[1], services.UnknownHold)
        assert isinstance(outcomes[2], services.Settled)
        assert isinstance(outcomes[3], services.HoldAlreadySettled)
        assert balance(account_id, now) == (8, 0, 2)

    def test_is_one_round_trip(
        self, account_id: UUID, give: Give, now: datetime, django_assert_num_queries: Callable[[int], Any]
    ) -> None:
        give(10)
        requests = [services.HoldRequest("image_generation", "job", f"key-{n}") for n in range(5)]
        selectors.list_plans()
        with django_assert_num_queries(1):
            placed = services.hold_many(account_id=account_id, holds=requests, now=now)
        captures = [services.CaptureRequest(hold.id) for hold in placed if isinstance(hold, services.PlacedHold)]
        with django_assert_num_queries(1):
            services.capture_many(account_id=account_id, captures=captures, now=now)
