"""Clawbacks after refunds and disputes: what they take, what is owed, and what comes back when the money stays."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from credits import selectors, services
from credits.models import Entry, Grant
from credits.tests.conftest import Give, Place

DAY = timedelta(days=1)
Available = Callable[..., Decimal]


def debt_of(account_id: UUID, now: datetime) -> Decimal:
    return selectors.get_balance(account_id=account_id, now=now).debt


class TestClawBack:
    def claw(self, account_id: UUID, credits: int, now: datetime, key: str = "re_1") -> services.ClawedBack:
        return services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(credits),
            idempotency_key=key,
            now=now,
        )

    def test_takes_from_the_grants_own_lot_first(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        bonus = give(5, expires_at=now + DAY).grant
        bought = give(10, kind="purchase", source="purchase:1").grant
        clawed = self.claw(account_id, 10, now)
        assert (clawed.credits, clawed.debt) == (10, 0)
        assert Grant.objects.get(pk=bonus.pk).remaining == 5
        assert Grant.objects.get(pk=bought.pk).remaining == 0
        assert available() == 5

    def test_then_from_others_and_the_rest_is_debt(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        give(10, kind="purchase", source="purchase:1")
        services.capture_hold(hold_id=place(8).id, now=now)
        give(3)
        clawed = self.claw(account_id, 10, now)
        assert (clawed.credits, clawed.debt) == (10, 5)
        assert clawed.entry is not None
        assert (clawed.entry.delta_credits, clawed.entry.balance_after) == (-10, -5)
        assert available() == 0
        assert debt_of(account_id, now) == 5

    def test_is_remembered_by_its_key(self, account_id: UUID, give: Give, now: datetime, available: Available) -> None:
        give(10, kind="purchase", source="purchase:1")
        self.claw(account_id, 4, now)
        assert self.claw(account_id, 4, now).is_replay
        assert available() == 6
        with pytest.raises(services.IdempotencyConflict):
            self.claw(account_id, 5, now)

    def test_never_takes_more_in_all_than_was_given(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        give(10, kind="purchase", source="purchase:1")
        give(10)
        self.claw(account_id, 8, now)
        assert self.claw(account_id, 8, now, key="re_2").credits == 2
        nothing = self.claw(account_id, 8, now, key="re_3")
        assert (nothing.credits, nothing.entry) == (0, None)
        assert self.claw(account_id, 8, now, key="re_3").is_replay
        assert available() == 10

    def test_leaves_what_expired_unspent(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10, kind="purchase", source="purchase:1", expires_at=now + DAY)
        services.capture_hold(hold_id=place(4).id, now=now)
        clawed = self.claw(account_id, 10, now + 2 * DAY)
        assert (clawed.credits, clawed.debt) == (4, 4)

    def test_refuses_a_grant_that_was_never_given(self, account_id: UUID, now: datetime) -> None:
        with pytest.raises(services.UnknownGrant):
            self.claw(account_id, 1, now)

    def test_leaves_held_credits_to_their_hold(
        self, account_id: UUID, give: Give, place: Place, now: datetime, available: Available
    ) -> None:
        give(10, kind="purchase", source="purchase:1")
        hold = place(6)
        assert self.claw(account_id, 10, now).debt == 6
        services.release_hold(hold_id=hold.id, now=now)
        assert debt_of(account_id, now) == 0
        assert available() == 0


class TestDebt:
    @pytest.fixture(autouse=True)
    def debt_of_five(self, account_id: UUID, give: Give, place: Place, now: datetime) -> None:
        give(10, kind="purchase", source="purchase:1")
        self.open_hold = place(1)
        self.captured = place(4)
        services.capture_hold(hold_id=self.captured.id, now=now)
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(10),
            idempotency_key="re_1",
            now=now,
        )
        assert debt_of(account_id, now) == 5

    def test_is_paid_by_the_next_grant(self, account_id: UUID, give: Give, now: datetime, available: Available) -> None:
        granted = give(8)
        assert (granted.grant.credits, granted.grant.remaining, granted.grant.repaid) == (8, 3, 5)
        assert debt_of(account_id, now) == 0
        assert available() == 3

    def test_is_paid_in_parts(self, account_id: UUID, give: Give, now: datetime, available: Available) -> None:
        give(2)
        assert debt_of(account_id, now) == 3
        assert available() == 0

    def test_is_paid_by_a_release(self, account_id: UUID, now: datetime, available: Available) -> None:
        services.release_hold(hold_id=self.open_hold.id, now=now)
        assert debt_of(account_id, now) == 4
        assert available() == 0

    def test_is_paid_by_a_hold_that_expires(self, account_id: UUID, now: datetime, available: Available) -> None:
        assert debt_of(account_id, now + DAY) == 4
        services.expire(now=now + DAY)
        assert debt_of(account_id, now + DAY) == 4

    def test_is_paid_by_a_refund_of_a_capture(self, account_id: UUID, now: datetime, available: Available) -> None:
        services.refund_capture(hold_id=self.captured.id, reason="", now=now)
        assert debt_of(account_id, now) == 1
        assert available() == 0

    def test_is_paid_by_the_rest_of_a_partial_capture(self, account_id: UUID, now: datetime) -> None:
        services.capture_hold(hold_id=self.open_hold.id, credits=Decimal("0.25"), now=now)
        assert debt_of(account_id, now) == Decimal("4.25")

    def test_allows_no_hold(self, place: Place) -> None:
        with pytest.raises(services.InsufficientCredits):
            place(1)


class TestGiveBack:
    def give_back(self, account_id: UUID, credits: int, now: datetime) -> services.Granted | None:
        return services.give_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(credits),
            new_source="refund_failed:re_1",
            now=now,
        )

    def test_writes_a_positive_clawback_once(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        give(10, kind="purchase", source="purchase:1")
        TestClawBack().claw(account_id, 4, now)
        granted = self.give_back(account_id, 4, now)
        assert granted is not None
        entry = Entry.objects.get(number=granted.grant.number)
        assert (entry.entry_type, entry.delta_credits) == ("clawback", 4)
        again = self.give_back(account_id, 4, now)
        assert again is not None
        assert again.is_replay
        assert available() == 10

    def test_gives_no_more_than_was_taken(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(10, kind="purchase", source="purchase:1")
        assert self.give_back(account_id, 4, now) is None
        TestClawBack().claw(account_id, 4, now)
        granted = self.give_back(account_id, 9, now)
        assert granted is not None
        assert granted.grant.credits == 4

    def test_lets_the_purchase_be_refunded_again(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        give(10, kind="purchase", source="purchase:1")
        TestClawBack().claw(account_id, 10, now)
        self.give_back(account_id, 10, now)
        assert TestClawBack().claw(account_id, 10, now, key="re_2").credits == 10
        assert available() == 0
        assert debt_of(account_id, now) == 0

    def test_gives_the_lots_own_length_again_not_that_of_credits_that_came_back_to_it(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10, kind="purchase", source="purchase:1", expires_at=now + timedelta(hours=3))
        hold = place(10)
        services.capture_hold(hold_id=hold.id, now=now)
        later = now + timedelta(hours=10)
        services.refund_capture(hold_id=hold.id, reason="", now=later)
        TestClawBack().claw(account_id, 10, later)
        granted = self.give_back(account_id, 10, later)
        assert granted is not None
        assert granted.grant.expires_at == later + timedelta(hours=3)


class TestGivenBackLot:
    """A lot that was given back is the grant's own, as if it had never been away."""

    @pytest.fixture
    def give_back_all(self, account_id: UUID, now: datetime) -> Callable[..., Grant]:
        """Return a function that takes a lot back whole and gives it back, and answers with the new one."""

        def run(lot: Grant, cause: str = "re_1") -> Grant:
            grant: dict[str, Any] = {"account_id": account_id, "kind": lot.kind, "source": lot.source}
            services.claw_back(**grant, credits=lot.credits, idempotency_key=cause, now=now)
            source = f"refund_failed:{cause}:{lot.source}"
            given = services.give_back(**grant, credits=lot.credits, new_source=source, now=now)
            assert given is not None
            return given.grant

        return run

    def claw(self, account_id: UUID, lot: Grant, now: datetime) -> services.ClawedBack:
        return services.claw_back(
            account_id=account_id,
            kind=lot.kind,
            source=lot.source,
            credits=lot.credits,
            idempotency_key="again",
            now=now,
        )

    def test_is_taken_before_what_others_gave(
        self, account_id: UUID, give: Give, give_back_all: Callable[..., Grant], now: datetime
    ) -> None:
        plan = give(500, kind="subscription", source="allowance:sub_1:now", expires_at=now + 30 * DAY).grant
        bought = give(100, kind="purchase", source="purchase:1", paid_cents=900, currency="usd").grant
        back = give_back_all(bought)
        assert self.claw(account_id, bought, now).credits == 100
        assert Grant.objects.get(pk=back.pk).remaining == 0
        assert Grant.objects.get(pk=plan.pk).remaining == 500
        line = next(line for line in selectors.report_ledger(since=now, until=now + DAY).lines if line.cents.granted)
        assert (line.cents.outstanding, line.cents.clawed_back) == (0, 900)

    def test_is_taken_in_part_as_it_was_given_in_part(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        bought = {"account_id": account_id, "kind": "purchase", "source": "purchase:1"}
        lots = [give(10, kind="purchase", source="purchase:1").grant]
        give(10, expires_at=now + DAY)
        for cause in ("1", "2"):
            services.claw_back(**bought, credits=Decimal(4), idempotency_key=cause, now=now)  # type: ignore[arg-type]
            given = services.give_back(**bought, credits=Decimal(3), new_source=cause, now=now)  # type: ignore[arg-type]
            assert given is not None
            lots.append(given.grant)
        taken = services.claw_back(**bought, credits=Decimal(10), idempotency_key="3", now=now)  # type: ignore[arg-type]
        assert (taken.credits, taken.debt) == (8, 0)
        assert [Grant.objects.get(pk=lot.pk).remaining for lot in lots] == [0, 0, 0]
        assert available() == 10

    def test_is_not_owed_once_it_expired_unspent(
        self, account_id: UUID, give: Give, give_back_all: Callable[..., Grant], now: datetime
    ) -> None:
        lot = give(500, kind="subscription", source="allowance:sub_1:now", expires_at=now + DAY).grant
        give_back_all(lot)
        services.expire(now=now + DAY)
        assert selectors.recoverable(account_id=account_id, kind="subscription", source=lot.source) == 0
        nothing = self.claw(account_id, lot, now + DAY)
        assert (nothing.credits, nothing.debt) == (0, 0)

    @pytest.mark.parametrize("given", ["allowance:sub_1:then", "upgrade:in_1"])
    def test_of_a_plan_ends_with_the_plan(
        self, account_id: UUID, give: Give, give_back_all: Callable[..., Grant], now: datetime, given: str,
        available: Available,
    ) -> None:  # fmt: skip
        state = {"account_id": account_id, "anchor_at": now, "now": now}
        services.set_plan(**state, plan="pro", paid_until=now + 30 * DAY, source="sub_1")  # type: ignore[arg-type]
        give_back_all(give(500, kind="subscription", source=given, expires_at=now + 30 * DAY).grant)
        assert available() == 500
        services.set_plan(**state, plan="free", paid_until=None, source="free")  # type: ignore[arg-type]
        assert available() == 0

    def test_of_a_month_ends_when_the_next_month_is_given(
        self, account_id: UUID, give_back_all: Callable[..., Grant], now: datetime, available: Available
    ) -> None:
        services.set_plan(
            account_id=account_id, plan="pro", anchor_at=now, paid_until=now + 62 * DAY, source="sub_1", now=now
        )
        (month,) = services.give_allowances(account_id=account_id, now=now)
        give_back_all(month.grant)
        later = selectors.get_plan_state(account_id=account_id, now=now).period_end
        services.give_allowances(account_id=account_id, now=later)
        assert available(later) == 500

    def test_of_a_month_ends_when_the_renewal_fails(
        self, account_id: UUID, give_back_all: Callable[..., Grant], now: datetime, available: Available
    ) -> None:
        services.set_plan(
            account_id=account_id, plan="pro", anchor_at=now, paid_until=now + DAY, source="sub_1", now=now
        )
        (month,) = services.give_allowances(account_id=account_id, now=now)
        give_back_all(month.grant)
        later = selectors.get_plan_state(account_id=account_id, now=now).period_end
        assert available(later) == 500
        services.end_grace(account_id=account_id, source="sub_1", now=later)
        assert available(later) == 0

    @pytest.mark.parametrize(
        ("kind", "source", "new_source"),
        [
            ("purchase", "purchase:1", "refund_failed:re_1"),
            ("bonus", "purchase:1", "refund_failed:re_1:2"),
            ("subscription", "upgrade:in_1", "refund_share:re_1:upgrade:in_1"),
            ("subscription", "allowance:sub_1:2026-03-01", "dispute_won:re_1:allowance:sub_1:2026-03-01:3"),
        ],
    )
    def test_that_is_older_than_this_rule_is_found(
        self, account_id: UUID, give: Give, now: datetime, kind: str, source: str, new_source: str
    ) -> None:
        cause = {"reference_type": "refund", "reference_id": "re_1"}
        for other_kind, other_source in (("bonus", "purchase:1"), ("subscription", "upgrade:in_10"), (kind, source)):
            give(5, kind=other_kind, source=other_source)
            grant = {"account_id": account_id, "kind": other_kind, "source": other_source, "credits": Decimal(5)}
            services.claw_back(**grant, idempotency_key=f"{other_kind} {other_source}", now=now, **cause)  # type: ignore[arg-type]
        given = services.give_back(**grant, new_source=new_source, now=now, **cause)  # type: ignore[arg-type]
        assert given is not None
        Grant.objects.filter(pk=given.grant.pk).update(returns_grant=None)
        with connection.cursor() as cursor:
            cursor.execute(import_module("credits.migrations.0018_returned_before").FIND)
        found = Grant.objects.get(pk=given.grant.pk).returns_grant
        assert found == Grant.objects.get(account_id=account_id, kind=kind, source=source).number
