from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from credits import catalogue, services
from credits.models import Entry, Grant, Hold, Plan, Rate
from credits.tests.conftest import Give, Place, balance

MINUTES = timedelta(minutes=1)


class TestPlaceHold:
    def test_moves_credits_from_available_to_held_and_writes_no_entry(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        hold = place(3)
        assert (hold.credits, hold.available, hold.status, hold.priority) == (3, 7, "open", "normal")
        assert hold.expires_at == now + 15 * MINUTES
        assert balance(account_id, now) == (7, 3, 0)
        assert Entry.objects.filter(account_id=account_id).count() == 1

    def test_takes_the_last_credit(self, give: Give, place: Place) -> None:
        give(2)
        assert place(2).available == 0

    def test_refuses_more_than_is_available(self, give: Give, place: Place) -> None:
        give(2)
        with pytest.raises(services.InsufficientCredits) as refusal:
            place(3)
        assert refusal.value.context == {"required": Decimal(3), "available": Decimal(2)}
        assert not Hold.objects.exists()

    def test_refuses_an_account_that_nothing_has_touched(self, place: Place) -> None:
        with pytest.raises(services.InsufficientCredits):
            place()

    def test_refuses_a_user_that_does_not_exist(self, db: None, place: Place) -> None:
        with pytest.raises(services.UnknownAccount):
            place(account_id=uuid4())

    def test_refuses_what_the_plan_lacks(self, give: Give, place: Place) -> None:
        give(10)
        with pytest.raises(services.FeatureNotInPlan) as refusal:
            place(operation="video_generation")
        assert refusal.value.context == {"feature": "video_generation"}

    def test_refuses_a_frozen_account(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        services.freeze(account_id=account_id, cause="staff", now=now)
        with pytest.raises(services.AccountFrozen):
            place()

    def test_goes_first_where_the_plan_says_so(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        services.set_plan(account_id=account_id, plan="pro", anchor_at=now, paid_until=None, source="sub_1", now=now)
        assert place(operation="video_generation").priority == "high"

    @pytest.mark.parametrize("ttl", [0, -1, 86_401, True, 1.5])
    def test_refuses_a_time_to_live_out_of_range(self, give: Give, place: Place, ttl: Any) -> None:
        give(10)
        with pytest.raises(services.InvalidTimeToLive):
            place(ttl_seconds=ttl)

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_refuses_a_key_out_of_range(self, give: Give, place: Place, key: str) -> None:
        give(10)
        with pytest.raises(services.InvalidIdempotencyKey):
            place(idempotency_key=key)

    def test_storage_is_never_held(self, place: Place) -> None:
        with pytest.raises(services.OperationNotHeld):
            place(operation="storage")

    def test_keeps_its_price_whatever_changes_later(
        self, give: Give, place: Place, now: datetime, settings: Any
    ) -> None:
        give(10)
        hold = place(1)
        Rate.objects.create(
            operation="image_generation", unit="image", base_credits=2, modifiers=[], effective_from=now + MINUTES
        )
        catalogue.forget()
        captured = services.capture_hold(hold_id=hold.id, now=now + 2 * MINUTES)
        assert captured.hold.captured == 1
        assert place(1, now=now + 2 * MINUTES).credits == 2


class TestReplayOfPlaceHold:
    def test_answers_the_same_again(self, give: Give, place: Place) -> None:
        give(10)
        first = place(3, idempotency_key="key")
        place(1)
        again = place(3, idempotency_key="key")
        assert again.is_replay
        assert (again.id, again.credits, again.available) == (first.id, 3, 7)
        assert Hold.objects.count() == 2

    def test_refuses_another_job_under_the_same_key(self, give: Give, place: Place) -> None:
        give(10)
        place(3, idempotency_key="key")
        with pytest.raises(services.IdempotencyConflict):
            place(4, idempotency_key="key")
        with pytest.raises(services.IdempotencyConflict):
            place(3, idempotency_key="key", reference_id="other job")

    def test_comes_before_every_other_check(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(3)
        first = place(3, idempotency_key="key")
        services.freeze(account_id=account_id, cause="staff", now=now)
        Plan.objects.filter(slug="free").update(features=[])
        assert place(3, idempotency_key="key").id == first.id

    def test_comes_before_the_price_list(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        """The answer was lost, and a rate without this quality took effect: the hold is still there to be known."""
        give(4)
        first = place(1, idempotency_key="key", quality="4k")
        Rate.objects.create(
            operation="image_generation", unit="image", base_credits=1, modifiers=[], effective_from=now + MINUTES
        )
        catalogue.forget()
        job: dict[str, Any] = {"quality": "4k", "now": now + 2 * MINUTES}
        again = place(1, idempotency_key="key", **job)
        assert (again.id, again.credits, again.is_replay) == (first.id, 2, True)
        with pytest.raises(services.IdempotencyConflict):
            place(2, idempotency_key="key", **job)
        with pytest.raises(services.InvalidJob):
            place(1, idempotency_key="another key", **job)

        def request(key: str, **changes: Any) -> services.HoldRequest:
            return services.HoldRequest("image_generation", "job", key, **changes)

        requests = [request("key", quality="4k"), request("new", quality="4k"), request("key"), request("plain")]
        known, refused, other, placed = services.hold_many(account_id=account_id, holds=requests, now=job["now"])
        assert isinstance(known, services.PlacedHold)
        assert (known.id, known.is_replay) == (first.id, True)
        assert isinstance(refused, services.InvalidJob)
        assert isinstance(other, services.IdempotencyConflict)
        assert isinstance(placed, services.PlacedHold)
        assert balance(account_id, job["now"]) == (1, 3, 0)

    def test_answers_after_the_hold_has_ended(self, give: Give, place: Place, now: datetime) -> None:
        give(3)
        first = place(3, idempotency_key="key")
        services.capture_hold(hold_id=first.id, now=now)
        assert place(3, idempotency_key="key", now=now + 60 * MINUTES).id == first.id

    def test_a_refused_call_may_succeed_later(self, give: Give, place: Place) -> None:
        with pytest.raises(services.InsufficientCredits):
            place(3, idempotency_key="key")
        give(3)
        assert not place(3, idempotency_key="key").is_replay


class TestCapture:
    def test_turns_all_of_the_hold_into_spend(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        captured = services.capture_hold(hold_id=place(4, model_id="sdxl", reference_id="job-1").id, now=now)
        entry = captured.entry
        assert entry is not None
        assert (entry.entry_type, entry.delta_credits, entry.balance_before, entry.balance_after) == (
            "usage",
            -4,
            10,
            6,
        )
        assert (entry.reference_id, entry.model_id, entry.description) == ("job-1", "sdxl", "Image generation")
        assert captured.hold.status == "captured"
        assert balance(account_id, now) == (6, 0, 4)

    def test_returns_the_rest_to_the_account(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        services.capture_hold(hold_id=place(4).id, credits=Decimal("1.5"), now=now)
        assert balance(account_id, now) == (Decimal("8.5"), 0, Decimal("1.5"))

    def test_returns_the_rest_to_the_lot_that_was_taken_from_last(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        soon = give(3, expires_at=now + timedelta(days=1)).grant
        never = give(10).grant
        services.capture_hold(hold_id=place(5).id, credits=Decimal(2), now=now)
        assert Grant.objects.get(pk=soon.pk).remaining == 1
        assert Grant.objects.get(pk=never.pk).remaining == 10

    def test_refuses_more_than_is_held(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        with pytest.raises(services.CaptureAboveHold):
            services.capture_hold(hold_id=place(4).id, credits=Decimal(5), now=now)

    def test_answers_the_same_outcome_again(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        first = services.capture_hold(hold_id=hold.id, now=now)
        again = services.capture_hold(hold_id=hold.id, credits=Decimal(4), now=now)
        assert again.is_replay
        assert again.entry == first.entry

    def test_refuses_another_outcome(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.capture_hold(hold_id=hold.id, now=now)
        with pytest.raises(services.HoldAlreadySettled):
            services.capture_hold(hold_id=hold.id, credits=Decimal(1), now=now)
        with pytest.raises(services.HoldAlreadySettled):
            services.release_hold(hold_id=hold.id, now=now)

    def test_a_key_belongs_to_one_capture(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        one, other = place(1), place(1)
        services.capture_hold(hold_id=one.id, idempotency_key="key", now=now)
        assert services.capture_hold(hold_id=one.id, idempotency_key="key", now=now).is_replay
        with pytest.raises(services.IdempotencyConflict):
            services.capture_hold(hold_id=other.id, idempotency_key="key", now=now)

    def test_after_expiry_the_output_must_be_withheld(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        hold = place(4)
        with pytest.raises(services.HoldExpired):
            services.capture_hold(hold_id=hold.id, now=now + 15 * MINUTES)
        assert balance(account_id, now + 15 * MINUTES) == (10, 0, 0)

    @pytest.mark.parametrize("hold_id", ["", "hold_", "nonsense", "txn_" + "0" * 22 + "1", "hold_" + "z" * 22 + "1"])
    def test_refuses_what_is_no_hold(self, db: None, now: datetime, hold_id: str) -> None:
        with pytest.raises(services.UnknownHold):
            services.capture_hold(hold_id=hold_id, now=now)

    @pytest.mark.parametrize("credits", ["0", "-1", "NaN", "Infinity", "0.0000001", "1e13"])
    def test_refuses_what_is_no_number_of_credits(self, give: Give, place: Place, now: datetime, credits: str) -> None:
        give(10)
        with pytest.raises(services.InvalidCredits):
            services.capture_hold(hold_id=place(4).id, credits=Decimal(credits), now=now)

    def test_a_capture_in_an_account_that_is_frozen_succeeds(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        hold = place(4)
        services.freeze(account_id=account_id, cause="dispute:dp_1", now=now)
        assert services.capture_hold(hold_id=hold.id, now=now).hold.captured == 4


class TestRelease:
    def test_gives_everything_back_and_writes_no_entry(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        released = services.release_hold(hold_id=place(4).id, now=now)
        assert released.hold.status == "released"
        assert balance(account_id, now) == (10, 0, 0)
        assert Entry.objects.filter(account_id=account_id).count() == 1

    def test_answers_the_same_again(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.release_hold(hold_id=hold.id, now=now)
        assert services.release_hold(hold_id=hold.id, now=now).is_replay

    def test_refuses_a_capture_afterwards(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.release_hold(hold_id=hold.id, now=now)
        with pytest.raises(services.HoldAlreadySettled):
            services.capture_hold(hold_id=hold.id, now=now)


class TestExtend:
    def test_moves_the_end(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        extended = services.extend_hold(hold_id=place(4).id, ttl_seconds=3600, now=now + 5 * MINUTES)
        assert extended.hold.expires_at == now + 65 * MINUTES

    def test_never_shortens(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        extended = services.extend_hold(hold_id=place(4).id, ttl_seconds=60, now=now)
        assert extended.hold.expires_at == now + 15 * MINUTES

    def test_a_hold_lives_a_day_at_most(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        with pytest.raises(services.HoldTooLong):
            services.extend_hold(hold_id=hold.id, ttl_seconds=86_400, now=now + MINUTES)
        services.extend_hold(hold_id=hold.id, ttl_seconds=86_340, now=now + MINUTES)

    @pytest.mark.parametrize("extensions", [1, 2])
    def test_placing_again_answers_the_end_that_was_answered_first(
        self, give: Give, place: Place, now: datetime, extensions: int
    ) -> None:
        give(10)
        first = place(4, idempotency_key="key")
        for n in range(1, extensions + 1):
            services.extend_hold(hold_id=first.id, ttl_seconds=n * 3600, now=now)
        again = place(4, idempotency_key="key", now=now + 5 * MINUTES, ttl_seconds=900)
        assert again.is_replay
        assert (again.expires_at, again.available) == (first.expires_at, first.available)

    def test_a_key_answers_the_first_end_again(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.extend_hold(hold_id=hold.id, ttl_seconds=1200, idempotency_key="key", now=now)
        again = services.extend_hold(hold_id=hold.id, ttl_seconds=1200, idempotency_key="key", now=now + 5 * MINUTES)
        assert again.is_replay
        assert again.hold.expires_at == now + 20 * MINUTES

    def test_refuses_a_hold_that_has_ended(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        with pytest.raises(services.HoldExpired):
            services.extend_hold(hold_id=hold.id, ttl_seconds=60, now=now + 20 * MINUTES)


class TestRefund:
    def test_gives_back_what_was_captured_once(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.capture_hold(hold_id=hold.id, now=now)
        refunded = services.refund_capture(hold_id=hold.id, reason="Blank image", now=now)
        assert refunded.entry is not None
        assert (refunded.entry.entry_type, refunded.entry.delta_credits) == ("refund", 4)
        assert refunded.entry.description == "Blank image"
        assert balance(account_id, now) == (10, 0, 0)
        assert services.refund_capture(hold_id=hold.id, reason="Blank image", now=now).is_replay
        with pytest.raises(services.AlreadyRefunded):
            services.refund_capture(hold_id=hold.id, reason="Blank image", credits=Decimal(1), now=now)

    def test_a_key_belongs_to_one_reason(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.capture_hold(hold_id=hold.id, now=now)

        def refund(key: str, reason: str) -> services.Settled:
            return services.refund_capture(hold_id=hold.id, reason=reason, idempotency_key=key, now=now)

        refund("key", "Blank image")
        assert refund("key", "Blank image").is_replay
        with pytest.raises(services.IdempotencyConflict):
            refund("key", "Wrong size")
        assert refund("another key", "Wrong size").is_replay  # the same outcome again
        assert balance(account_id, now) == (10, 0, 0)

    def test_gives_back_a_part_to_the_lots_of_the_receipt(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        soon = give(3, expires_at=now + timedelta(days=1)).grant
        never = give(10).grant
        hold = place(5)
        services.capture_hold(hold_id=hold.id, now=now)
        services.refund_capture(hold_id=hold.id, credits=Decimal(3), reason="Half of it", now=now)
        assert Grant.objects.get(pk=soon.pk).remaining == 1
        assert Grant.objects.get(pk=never.pk).remaining == 10
        assert balance(account_id, now) == (11, 0, 2)

    def test_refuses_what_was_not_captured(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        with pytest.raises(services.HoldNotCaptured):
            services.refund_capture(hold_id=place(4).id, reason="", now=now)

    def test_refuses_more_than_was_captured(self, give: Give, place: Place, now: datetime) -> None:
        give(10)
        hold = place(4)
        services.capture_hold(hold_id=hold.id, credits=Decimal(2), now=now)
        with pytest.raises(services.RefundAboveCapture):
            services.refund_capture(hold_id=hold.id, credits=Decimal(3), reason="", now=now)

    def test_of_last_months_capture_leaves_this_months_usage_alone(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        hold = place(4)
        services.capture_hold(hold_id=hold.id, now=now)
        later = now + timedelta(days=40)
        services.capture_hold(hold_id=place(1, now=later).id, now=later)
        services.refund_capture(hold_id=hold.id, reason="", now=later)
        assert balance(account_id, later) == (9, 0, 1)


class TestCharge:
    def test_holds_and_captures_in_one_step(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(10)
        charged = services.charge(
            account_id=account_id, operation="storage", credits=Decimal("0.25"), idempotency_key="day", now=now
        )
        assert charged.credits == Decimal("0.25")
        assert balance(account_id, now) == (Decimal("9.75"), 0, Decimal("0.25"))

    def test_takes_what_there_is_when_partial(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(1)
        job: dict[str, Any] = {"account_id": account_id, "operation": "storage", "credits": Decimal(3), "now": now}
        with pytest.raises(services.InsufficientCredits):
            services.charge(**job, idempotency_key="whole")
        assert services.charge(**job, partial=True, idempotency_key="part").credits == 1
        assert services.charge(**job, partial=True, idempotency_key="part").is_replay
        assert services.charge(**job, partial=True, idempotency_key="nothing left").credits == 0
        with pytest.raises(services.IdempotencyConflict):
            services.charge(**(job | {"credits": Decimal(2)}), partial=True, idempotency_key="part")

    def test_can_be_refunded_by_its_hold(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(1)
        charged = services.charge(
            account_id=account_id, operation="storage", credits=Decimal(1), idempotency_key="day", now=now
        )
        assert charged.entry is not None
        hold = Hold.objects.get(account_id=account_id, number=charged.entry.hold_number or 0)
        services.refund_capture(hold_id=hold.public_id, reason="Charged by mistake", now=now)
        assert balance(account_id, now) == (1, 0, 0)
