from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from credits import ledger, selectors, services, sql
from credits.models import Entry, Grant, Hold
from credits.tests.conftest import Give, Place

DAY = timedelta(days=1)
Available = Callable[..., Decimal]


class TestGrant:
    def test_makes_a_lot_and_an_entry_of_its_kind(self, account_id: UUID, give: Give, now: datetime) -> None:
        granted = give(100, kind="purchase", source="purchase:1", reference_type="purchase", reference_id="1")
        assert not granted.is_replay
        entry = Entry.objects.get(account_id=account_id)
        assert (entry.number, entry.entry_type, entry.delta_credits, entry.balance_after) == (1, "purchase", 100, 100)
        assert (entry.reference_type, entry.reference_id, entry.created_at) == ("purchase", "1", now)
        assert (granted.grant.number, granted.grant.remaining, granted.grant.expires_at) == (1, 100, None)

    def test_gives_once_per_source(self, give: Give, available: Available) -> None:
        first = give(100, source="purchase:1")
        again = give(100, source="purchase:1")
        assert again.is_replay
        assert again.grant == first.grant
        assert available() == 100

    def test_a_bonus_has_the_source_of_its_purchase(self, give: Give, available: Available) -> None:
        give(100, kind="purchase", source="purchase:1")
        give(5, kind="bonus", source="purchase:1")
        assert available() == 105

    def test_refuses_another_number_of_credits_for_the_same_source(self, give: Give) -> None:
        give(100, source="purchase:1")
        with pytest.raises(services.IdempotencyConflict):
            give(101, source="purchase:1")

    def test_refuses_a_user_that_does_not_exist(self, db: None, give: Give) -> None:
        with pytest.raises(services.UnknownAccount):
            give(1, account_id=uuid4())


class TestBurnOrder:
    def test_is_priority_then_end_then_given_before_paid_then_age(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        names = {}
        lots: dict[str, dict[str, Any]] = {
            "paid, oldest": {"kind": "purchase"},
            "given": {},
            "given, later": {"now": now + timedelta(seconds=1)},
            "ends in two days": {"expires_at": now + 2 * DAY},
            "paid, ends in a day": {"kind": "purchase", "expires_at": now + DAY},
            "ends in a day": {"expires_at": now + DAY},
        }
        for name, changes in lots.items():
            names[give(1, **changes).grant.number] = name
        for name, priority, expires_at in (("first of all", 1, None), ("last of all", 200, now + DAY)):
            lot = (account_id, "bonus", name, Decimal(1), priority, expires_at, now, "", "", "", None, "")
            given = ledger.call("credits_grant_credits", *lot, parts={"lot": Grant})
            names[given["lot"].number] = name
        hold = place(8, now=now + timedelta(seconds=2))
        receipt = Hold.objects.get(account_id=account_id, number=hold.number)
        assert [names[number] for number in receipt.lot_numbers] == [
            "first of all",
            "ends in a day",
            "paid, ends in a day",
            "ends in two days",
            "given",
            "given, later",
            "paid, oldest",
            "last of all",
        ]

    def test_goes_on_in_the_next_lot(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give("1.5", expires_at=now + DAY)
        give(10)
        place(1)
        hold = Hold.objects.get(number=place(1).number)
        assert (hold.lot_numbers, hold.lot_credits) == ([1, 2], [Decimal("0.5"), Decimal("0.5")])


class TestExpiry:
    def test_posts_an_entry(self, account_id: UUID, give: Give, now: datetime, available: Available) -> None:
        give(10, expires_at=now + DAY, source="promotion")
        give(5)
        assert available(now + DAY) == 5
        services.expire(now=now + 2 * DAY)
        entry = Entry.objects.get(account_id=account_id, entry_type="expiry")
        assert (entry.delta_credits, entry.balance_after, entry.created_at) == (-10, 5, now + DAY)
        assert (entry.reference_type, entry.reference_id) == ("bonus", "promotion")
        assert available(now + 2 * DAY) == 5

    def test_an_expired_lot_is_never_spent(self, give: Give, place: Place, now: datetime) -> None:
        give(10, expires_at=now + DAY)
        with pytest.raises(services.InsufficientCredits):
            place(1, now=now + DAY)

    def test_an_expired_hold_makes_room_for_the_next(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        place(10)
        assert place(10, now=now + DAY).available == 0

    def test_counts_what_it_would_end(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10, expires_at=now + DAY)
        place(1)
        services.expire(now=now, dry_run=True)
        assert services.expire(now=now + DAY, dry_run=True) == services.Expired(accounts=1, lots=1, holds=1)
        assert Entry.objects.count() == 1
        assert services.expire(now=now + DAY) == services.Expired(accounts=1, lots=1, holds=1)
        assert services.expire(now=now + DAY).accounts == 0


class TestLotThatEndedWhileItsCreditsWereHeld:
    def test_takes_them_back_for_a_day(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        lot = give(10, expires_at=now + timedelta(minutes=10)).grant
        hold = place(4)
        released_at = now + timedelta(minutes=12)
        services.release_hold(hold_id=hold.id, now=released_at)
        lot = Grant.objects.get(pk=lot.pk)
        assert (lot.remaining, lot.expired) == (4, 6)
        assert lot.expires_at == released_at + DAY
        assert lot.own_end_at == now + timedelta(minutes=10)
        assert available(released_at) == 4
        assert available(released_at + DAY) == 0

    def test_takes_them_back_when_the_hold_expires_by_itself(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        give(10, expires_at=now + timedelta(minutes=10))
        place(4)
        expired_at = now + timedelta(minutes=15)
        assert available(expired_at) == 4
        assert available(expired_at + DAY) == 0
        services.expire(now=now + 2 * DAY)
        assert [e.delta_credits for e in Entry.objects.filter(entry_type="expiry").order_by("number")] == [-6, -4]

    def test_lives_48_hours_past_its_own_end_at_most(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        end_at = now + timedelta(minutes=1)
        lot = give(10, expires_at=end_at).grant
        hold = place(4)
        services.capture_hold(hold_id=hold.id, now=now)
        refunded_at = end_at + timedelta(hours=30)
        services.refund_capture(hold_id=hold.id, reason="", now=refunded_at)
        assert Grant.objects.get(pk=lot.pk).expires_at == end_at + timedelta(hours=48)
        assert available(refunded_at) == 4

    def test_is_not_kept_alive(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        end_at = now + timedelta(minutes=1)
        give(10, expires_at=end_at)
        first = place(4)
        services.release_hold(hold_id=first.id, now=end_at)
        second = place(4, now=end_at + timedelta(hours=23), ttl_seconds=86_400)
        services.release_hold(hold_id=second.id, now=end_at + timedelta(hours=25))
        assert available(end_at + timedelta(hours=25)) == 0

    @pytest.mark.parametrize("ends", ["released", "expired"])
    def test_ends_for_good_when_the_credits_come_back_and_the_past_stays_what_it_was(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available, ends: str
    ) -> None:
        """Held credits are there until they come back, though the lot's end lies hours before."""
        lot = give(10, expires_at=now + timedelta(hours=1)).grant
        services.release_hold(hold_id=place(10, ttl_seconds=86_400).id, now=now + timedelta(hours=2))
        again = place(10, now=now + timedelta(hours=25), ttl_seconds=3 * 3600)
        while_held = now + timedelta(hours=27)  # the lot's second, and last, end was an hour ago
        back_at = now + timedelta(hours=28 if ends == "expired" else 27.5)
        assert selectors.balance_at(account_id=account_id, at=while_held) == 10
        if ends == "released":
            services.release_hold(hold_id=again.id, now=back_at)
        services.expire(now=now + timedelta(hours=40))
        assert available(back_at) == 0
        entry = Entry.objects.get(entry_type="expiry")
        assert (entry.delta_credits, entry.created_at) == (-10, back_at)
        assert Grant.objects.get(pk=lot.pk).expires_at == back_at
        assert selectors.balance_at(account_id=account_id, at=while_held) == 10
        report = selectors.report_ledger(since=now, until=while_held)
        assert (report.credits.outstanding, report.credits.expired) == (10, 0)

    def test_what_comes_back_too_late_ends_at_once_and_in_writing(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        give(10, expires_at=now + DAY)
        hold = place(10)
        services.capture_hold(hold_id=hold.id, now=now)
        services.refund_capture(hold_id=hold.id, reason="", now=now + 10 * DAY)
        entries = Entry.objects.filter(account_id=account_id).order_by("number")
        assert [entry.delta_credits for entry in entries] == [10, -10, 10, -10]
        assert available(now + 10 * DAY) == 0


class TestAdjust:
    def test_gives_and_takes(self, account_id: UUID, give: Give, now: datetime, available: Available) -> None:
        for key, credits in [("a", "7.5"), ("b", "-2.5")]:
            services.adjust(
                account_id=account_id, credits=Decimal(credits), reason="Goodwill", idempotency_key=key, now=now
            )
        assert available() == 5
        assert set(Entry.objects.values_list("entry_type", "description")) == {("adjustment", "Goodwill")}

    def test_never_takes_more_than_is_available(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        place(4)
        with pytest.raises(services.InsufficientCredits):
            services.adjust(account_id=account_id, credits=Decimal(-7), reason="x", idempotency_key="k", now=now)

    @pytest.mark.parametrize("credits", [Decimal(3), Decimal(-3)])
    def test_adjusts_once_per_key(self, account_id: UUID, give: Give, now: datetime, credits: Decimal) -> None:
        give(10)
        call = {"account_id": account_id, "reason": "x", "idempotency_key": "k", "now": now}
        first = services.adjust(**call, credits=credits)  # type: ignore[arg-type]
        again = services.adjust(**call, credits=credits)  # type: ignore[arg-type]
        assert again.is_replay
        assert again.entry == first.entry
        with pytest.raises(services.IdempotencyConflict):
            services.adjust(**call, credits=-credits)  # type: ignore[arg-type]


class TestFreeze:
    def test_lasts_while_any_cause_is_left(self, account_id: UUID, now: datetime) -> None:
        assert services.freeze(account_id=account_id, cause="dispute:1", now=now)
        assert not services.freeze(account_id=account_id, cause="dispute:1", now=now)
        services.freeze(account_id=account_id, cause="staff", now=now)
        assert services.thaw(account_id=account_id, cause="dispute:1", now=now)
        assert selectors.is_frozen(account_id=account_id)
        assert services.thaw(account_id=account_id, cause="staff", now=now)
        assert not services.thaw(account_id=account_id, cause="staff", now=now)
        assert not selectors.is_frozen(account_id=account_id)


class TestAnswer:
    @pytest.mark.parametrize(
        "function", ["grant_credits", "adjust", "claw_back", "give_back", "charge", "release_hold", "place_hold"]
    )
    def test_that_no_service_knows_passes_for_no_success(
        self, account_id: UUID, give: Give, place: Place, now: datetime, function: str
    ) -> None:
        give(5, source="bonus:1")
        hold_id = place(1).id
        lot: dict[str, Any] = {"account_id": account_id, "kind": "bonus", "source": "bonus:1", "now": now}
        keyed: dict[str, Any] = {"account_id": account_id, "idempotency_key": "key", "now": now}
        one = Decimal(1)
        ask: dict[str, Callable[[], Any]] = {
            "grant_credits": lambda: services.grant(**lot, credits=one),
            "adjust": lambda: services.adjust(**keyed, credits=one, reason="mistake"),
            "claw_back": lambda: services.claw_back(**lot, credits=one, idempotency_key="key"),
            "give_back": lambda: services.give_back(**lot, credits=one, new_source="refund_failed:1"),
            "charge": lambda: services.charge(**keyed, credits=one, operation="storage"),
            "release_hold": lambda: services.release_hold(hold_id=hold_id, now=now),
            "place_hold": lambda: place(1),
        }
        with connection.cursor() as cursor:
            cursor.execute(sql.read(function).replace("\nBEGIN\n", "\nBEGIN\n  status := 'odd';\n  RETURN;\n", 1))
        with pytest.raises(AssertionError, match="answered odd"):
            ask[function]()
