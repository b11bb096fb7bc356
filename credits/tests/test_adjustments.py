"""Corrections by staff: the limit of a role, the second person, and what the database itself refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from credits import selectors, services
from credits.backoffice.actions import ApproveAdjustment
from credits.models import Adjustment, Entry
from smartspec.backoffice import ActionForm
from smartspec.testing import make_user
from smartspec.tests.threads import at_once
from smartspec.users import services as users_services
from smartspec.users.models import StaffAction, User

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def staff_of(role: str, name: str = "") -> users_services.Staff:
    """Return a member of staff with a role, and a reason."""
    user = make_user(f"{name or role.lower()}@staff.test", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return users_services.Staff(user, "192.0.2.7", "goodwill", "Ticket 7")


def adjust(staff: users_services.Staff, user: User, credits: str, **fields: Any) -> Adjustment:
    values: dict[str, Any] = {"key": uuid4(), "now": NOW} | fields
    return services.adjust_by_staff(staff=staff, account_id=user.pk, credits=Decimal(credits), **values)


def balance(user: User) -> Decimal:
    return selectors.get_balance(account_id=user.pk, now=NOW).balance


class TestWithinTheLimit:
    def test_credits_are_given_and_taken_at_once(self, alice: User) -> None:
        support = staff_of("Support")
        assert adjust(support, alice, "500").state == "done"
        assert adjust(support, alice, "-120.5").state == "done"
        assert balance(alice) == Decimal("379.5")

    def test_the_ledger_and_the_record_tell_the_same(self, alice: User) -> None:
        made = adjust(staff_of("Support"), alice, "7")
        entry = Entry.objects.get(account_id=alice.pk)
        done = StaffAction.objects.get()
        assert (entry.entry_type, entry.delta_credits, entry.reference_id) == ("adjustment", 7, str(made.pk))
        assert (done.action, done.whom, done.reference_id) == ("adjust_credits", alice, str(made.pk))
        assert (Decimal(done.before["balance"]), Decimal(done.after["balance"])) == (0, 7)

    def test_customers_read_no_note_and_no_name_of_staff(self, alice: User) -> None:
        adjust(staff_of("Support"), alice, "7")
        entry = Entry.objects.get(account_id=alice.pk)
        told = f"{entry.description} {entry.reference_type} {entry.reference_id}"
        assert "Ticket" not in told
        assert "support@" not in told

    def test_a_second_click_moves_nothing(self, alice: User) -> None:
        support, key = staff_of("Support"), uuid4()
        first, second = adjust(support, alice, "7", key=key), adjust(support, alice, "7", key=key)
        assert first.pk == second.pk
        assert balance(alice) == 7
        assert StaffAction.objects.count() == 1

    def test_a_key_serves_one_content(self, alice: User) -> None:
        support, key = staff_of("Support"), uuid4()
        adjust(support, alice, "7", key=key)
        with pytest.raises(services.IdempotencyConflict):
            adjust(support, alice, "8", key=key)

    def test_given_credits_end_when_it_was_said(self, alice: User) -> None:
        adjust(staff_of("Support"), alice, "7", expires_at=NOW + timedelta(days=1))
        assert selectors.get_balance(account_id=alice.pk, now=NOW + timedelta(hours=23)).available == 7
        assert selectors.get_balance(account_id=alice.pk, now=NOW + timedelta(days=1)).available == 0

    @pytest.mark.parametrize(("credits", "days"), [("7", 0), ("7", -1), ("-7", 1)])
    def test_an_end_lies_ahead_of_what_is_given(self, alice: User, credits: str, days: int) -> None:
        with pytest.raises(services.EndsTooSoon):
            adjust(staff_of("Support"), alice, credits, expires_at=NOW + timedelta(days=days))

    def test_never_more_is_taken_than_is_available(self, alice: User) -> None:
        support = staff_of("Support")
        adjust(support, alice, "5")
        with pytest.raises(services.InsufficientCredits):
            adjust(support, alice, "-6")
        assert balance(alice) == 5
        assert Adjustment.objects.count() == 1


class TestRights:
    @pytest.mark.parametrize("role", ["Auditor"])
    def test_are_asked_for_in_the_service(self, alice: User, role: str) -> None:
        staff = staff_of(role)
        with pytest.raises(users_services.NotPermitted):
            adjust(staff, alice, "7")
        with pytest.raises(users_services.NotPermitted):
            services.decide_adjustment(staff=staff, adjustment_id=uuid4(), is_approved=True, now=NOW)
        with pytest.raises(users_services.NotPermitted):
            services.freeze_by_staff(staff=staff, account_id=alice.pk, now=NOW)
        with pytest.raises(users_services.NotPermitted):
            services.release_hold_by_staff(staff=staff, hold_id="hold_1", now=NOW)
        assert balance(alice) == 0
        assert not StaffAction.objects.exists()

    def test_do_not_reach_ones_own_account(self, db: None) -> None:
        support = staff_of("Support")
        with pytest.raises(users_services.NotPermitted):
            adjust(support, support.user, "7")

    def test_always_want_a_reason(self, alice: User) -> None:
        support = staff_of("Support")
        with pytest.raises(users_services.ReasonMissing):
            adjust(users_services.Staff(support.user, None, "goodwill", " "), alice, "7")
        assert balance(alice) == 0


class TestAboveTheLimit:
    @pytest.mark.parametrize("credits", ["500.000001", "5000"])
    def test_it_becomes_a_request_and_nothing_moves(self, alice: User, credits: str) -> None:
        made = adjust(staff_of("Support"), alice, credits)
        assert (made.state, made.entry_number) == ("awaiting", None)
        assert balance(alice) == 0
        assert selectors.count_awaiting() == 1

    def test_the_day_has_a_limit_too(self, alice: User, bob: User) -> None:
        support = staff_of("Support")
        states = [adjust(support, person, "500").state for person in (alice, bob, alice, bob, alice)]
        assert states == ["done"] * 4 + ["awaiting"]
        tomorrow = NOW + timedelta(days=1)
        assert adjust(support, alice, "500", now=tomorrow).state == "done"

    def test_taking_counts_like_giving(self, alice: User) -> None:
        support = staff_of("Support")
        for credits in ("500", "-500", "500", "-500"):
            assert adjust(support, alice, credits).state == "done"
        assert adjust(support, alice, "1").state == "awaiting"

    def test_a_higher_role_has_a_higher_one(self, alice: User) -> None:
        assert adjust(staff_of("Billing"), alice, "10000").state == "done"
        assert adjust(staff_of("Admin"), alice, "10001").state == "awaiting"

    def test_settings_say_how_high(self, alice: User, settings: Any) -> None:
        settings.STAFF_ADJUSTMENT_LIMITS = {"Support": (5, 8)}
        support = staff_of("Support")
        assert [adjust(support, alice, "5").state, adjust(support, alice, "5").state] == ["done", "awaiting"]

    @pytest.mark.django_db(transaction=True)
    def test_two_clicks_at_once_do_not_pass_it_together(self, settings: Any) -> None:
        settings.STAFF_ADJUSTMENT_LIMITS = {"Support": (500, 500)}
        support, alice = staff_of("Support"), make_user("alice@smartspec.test")
        states = at_once(4, lambda number: str(adjust(support, alice, "500").state))
        assert sorted(str(state) for state in states) == ["awaiting"] * 3 + ["done"]
        assert balance(alice) == 500


class TestSecondPerson:
    @pytest.fixture
    def asked(self, alice: User) -> Adjustment:
        return adjust(staff_of("Support"), alice, "5000")

    def decide(self, staff: users_services.Staff, asked: Adjustment, is_approved: bool = True) -> Adjustment:
        return services.decide_adjustment(staff=staff, adjustment_id=asked.pk, is_approved=is_approved, now=NOW)

    def test_approves_and_the_ledger_moves_once(self, alice: User, asked: Adjustment) -> None:
        billing = staff_of("Billing")
        for _ in range(2):
            assert self.decide(billing, asked).state == "done"
        assert balance(alice) == 5000
        assert Entry.objects.filter(account_id=alice.pk).count() == 1
        assert [done.action for done in StaffAction.objects.order_by("pk")] == [
            "request_adjustment",
            "approve_adjustment",
        ]

    def test_rejects_and_nothing_moves(self, alice: User, asked: Adjustment) -> None:
        billing = staff_of("Billing")
        rejected = self.decide(billing, asked, is_approved=False)
        assert (rejected.state, rejected.decided_by, rejected.decision_note) == ("rejected", billing.user, "Ticket 7")
        assert balance(alice) == 0

    def test_and_the_first_keep_notes_that_name_nobody(self, alice: User) -> None:
        support, billing = (replace(staff_of(role), note="alice@smartspec.test") for role in ("Support", "Billing"))
        decided = self.decide(billing, adjust(support, alice, "5000"))
        assert (decided.note, decided.decision_note) == ("[their address]", "[their address]")

    def test_is_somebody_else(self, alice: User) -> None:
        billing = staff_of("Billing")
        asked = adjust(billing, alice, "20000")
        for is_approved in (True, False):
            with pytest.raises(services.OwnAdjustment):
                self.decide(billing, asked, is_approved)
        assert balance(alice) == 0

    @pytest.mark.parametrize("is_approved", [True, False])
    def test_is_not_who_gets_or_loses_the_credits(self, db: None, is_approved: bool) -> None:
        billing = staff_of("Billing")
        asked = adjust(staff_of("Support"), billing.user, "5000")
        with pytest.raises(users_services.NotPermitted):
            services.find_decidable(staff=billing, user=billing.user, adjustment_id=str(asked.pk))
        with pytest.raises(users_services.NotPermitted):
            self.decide(billing, asked, is_approved)
        assert balance(billing.user) == 0
        assert self.decide(staff_of("Admin"), asked).state == "done"

    def test_has_the_right(self, asked: Adjustment) -> None:
        with pytest.raises(users_services.NotPermitted):
            self.decide(staff_of("Support", "other"), asked)

    def test_has_a_reason(self, alice: User, asked: Adjustment) -> None:
        billing = staff_of("Billing")
        with pytest.raises(users_services.ReasonMissing):
            self.decide(users_services.Staff(billing.user), asked)
        assert balance(alice) == 0

    def test_decides_once(self, alice: User, asked: Adjustment) -> None:
        self.decide(staff_of("Billing"), asked, is_approved=False)
        with pytest.raises(services.AlreadyDecided):
            self.decide(staff_of("Admin"), asked)
        assert balance(alice) == 0

    def test_cannot_take_what_is_not_there(self, alice: User, give: Callable[..., Any]) -> None:
        asked = adjust(staff_of("Support"), alice, "-5000")
        with pytest.raises(services.InsufficientCredits):
            self.decide(staff_of("Billing"), asked)
        asked.refresh_from_db()
        assert asked.state == "awaiting"

    def test_does_not_give_what_has_ended_meanwhile(self, alice: User) -> None:
        ends_at = NOW + timedelta(days=1)
        asked = adjust(staff_of("Support"), alice, "5000", expires_at=ends_at)
        billing = staff_of("Billing")
        form = ActionForm(user=alice, target=str(asked.pk), now=ends_at)
        with pytest.raises(services.EndsTooSoon):
            ApproveAdjustment().preview(form=form, staff=billing)
        with pytest.raises(services.EndsTooSoon):
            services.decide_adjustment(staff=billing, adjustment_id=asked.pk, is_approved=True, now=ends_at)
        asked.refresh_from_db()
        assert asked.state == "awaiting"
        assert not Entry.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_and_a_third_at_once_have_one_effect(self) -> None:
        alice = make_user("alice@smartspec.test")
        asked = adjust(staff_of("Support"), alice, "5000")
        deciders = [staff_of("Billing", f"billing{number}") for number in range(4)]

        answers = at_once(4, lambda number: self.decide(deciders[number], asked))
        assert [type(answer) for answer in answers].count(Adjustment) == 1
        assert [type(answer) for answer in answers].count(services.AlreadyDecided) == 3
        assert balance(alice) == 5000


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            "state = 'done'",
            "state = 'rejected'",
            "state = 'forgotten'",
            "credits = 0",
            "entry_number = 1",
            "state = 'rejected', decided_by_id = requested_by_id, decided_at = now(), decision_note = 'x'",
            "state = 'rejected', decided_by_id = user_id, decided_at = now()",
            "state = 'rejected', decided_by_id = user_id, decided_at = now(), decision_note = 'x'",
        ],
    )
    def test_refuses_what_cannot_be(self, alice: User, change: str) -> None:
        adjust(staff_of("Support"), alice, "5000")
        with pytest.raises(IntegrityError), transaction.atomic():
            connection.cursor().execute(f"UPDATE credits_adjustment SET {change}")


class TestHolds:
    def test_are_released_and_written_down_once(self, alice: User) -> None:
        support = staff_of("Support")
        adjust(support, alice, "5")
        placed = services.place_hold(
            account_id=alice.pk, operation="image_generation", reference_id="job", idempotency_key="1", now=NOW
        )
        for _ in range(2):
            assert services.release_hold_by_staff(staff=support, hold_id=placed.id, now=NOW).status == "released"
        assert selectors.get_balance(account_id=alice.pk, now=NOW).available == 5
        assert StaffAction.objects.filter(action="release_hold").count() == 1

    def test_that_are_none_are_unknown(self, db: None) -> None:
        with pytest.raises(services.UnknownHold):
            services.release_hold_by_staff(staff=staff_of("Support"), hold_id="hold_1", now=NOW)


class TestFreezing:
    def test_stops_new_jobs_until_the_thaw(self, alice: User) -> None:
        billing = staff_of("Billing")
        adjust(billing, alice, "5")
        assert services.freeze_by_staff(staff=billing, account_id=alice.pk, now=NOW)
        assert not services.freeze_by_staff(staff=billing, account_id=alice.pk, now=NOW)
        with pytest.raises(services.AccountFrozen):
            services.place_hold(
                account_id=alice.pk, operation="image_generation", reference_id="job", idempotency_key="1", now=NOW
            )
        assert services.thaw_by_staff(staff=billing, account_id=alice.pk, cause="staff", now=NOW)
        assert not services.thaw_by_staff(staff=billing, account_id=alice.pk, cause="staff", now=NOW)
        assert selectors.frozen_causes(account_id=alice.pk) == []
        actions = StaffAction.objects.exclude(action="adjust_credits").order_by("pk").values_list("action", flat=True)
        assert list(actions) == ["freeze_account", "thaw_account"]

    def test_leaves_other_causes_alone(self, alice: User) -> None:
        billing = staff_of("Billing")
        services.freeze(account_id=alice.pk, cause="dispute:dp_1", now=NOW)
        services.freeze_by_staff(staff=billing, account_id=alice.pk, now=NOW)
        services.thaw_by_staff(staff=billing, account_id=alice.pk, cause="dispute:dp_1", now=NOW)
        assert selectors.frozen_causes(account_id=alice.pk) == ["staff"]
