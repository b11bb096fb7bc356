"""Random lives of an account, every operation and time itself, against a reference model of plain Python.

The model knows the rules and nothing of how they are kept. After every step the ledger's balance must be the model's,
and after every life `verify_ledger` must find nothing.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import Error, connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from credits import selectors, services, sql
from credits.models import Grant, Hold
from credits.tests.reference import HOUR, START, ZERO, Held, Lot, Model
from smartspec.errors import DomainError
from smartspec.users.models import User

REPORTS = 3  # moments of a life, looked back on
amounts = st.integers(1, 40).map(lambda quarters: Decimal(quarters) / 4)


class LedgerLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = START
        self.count = 0
        self.sold: list[tuple[str, Lot]] = []
        self.ids: dict[int, str] = {}
        self.done: list[tuple[Any, dict[str, Any]]] = []
        self.outstanding: list[tuple[datetime, Decimal, Decimal]] = []
        self.rollback = transaction.atomic()
        self.rollback.__enter__()

    @initialize()
    def open(self) -> None:
        self.account: UUID = User.objects.create_user(f"life-{id(self)}@example.com").pk

    def next(self, what: str) -> str:
        self.count += 1
        return f"{what}:{self.count}"

    def call(self, service: Any, **arguments: Any) -> Any:
        """Call a service for this account, now, and keep what had an effect, to be called again."""
        answer = service(account_id=self.account, now=self.now, **arguments)
        if answer is not None and getattr(answer, "entry", answer) is not None:
            self.done.append((service, arguments))
        return answer

    @rule(hours=st.sampled_from([0.05, 0.1, 0.2, 1, 23.9, 24, 49]))
    def pass_time(self, hours: float) -> None:
        self.outstanding.append((self.now, self.model.available + self.model.held, self.model.debt))
        self.now += timedelta(hours=hours)
        self.model.pass_time(self.now)

    @rule(credits=amounts, hours=st.sampled_from([None, 0.1, 3, 50]), kind=st.sampled_from(["purchase", "bonus"]))
    def give(self, credits: Decimal, hours: float | None, kind: str) -> None:
        ends = None if hours is None else self.now + timedelta(hours=hours)
        source = self.next("purchase")
        money: dict[str, Any] = {"paid_cents": int(credits * 37), "currency": "usd"} if kind == "purchase" else {}
        self.call(services.grant, kind=kind, credits=credits, source=source, expires_at=ends, **money)
        lot = self.model.give(credits, ends, kind == "purchase", self.now)
        if kind == "purchase":
            self.sold.append((source, lot))

    @rule(quantity=st.integers(1, 12), ttl_seconds=st.sampled_from([300, 900, 7200, 86_400]))
    def hold(self, quantity: int, ttl_seconds: int) -> None:
        try:
            placed = self.call(
                services.place_hold,
                operation="image_generation",
                quantity=quantity,
                reference_id="job",
                idempotency_key=self.next("hold"),
                ttl_seconds=ttl_seconds,
            )
        except DomainError as refusal:
            placed = refusal
        self.was_placed(placed, quantity, ttl_seconds)

    def was_placed(self, placed: services.PlacedHold | DomainError, quantity: int, ttl_seconds: int) -> None:
        if isinstance(placed, DomainError):
            why = services.AccountFrozen if self.model.is_frozen else services.InsufficientCredits
            assert isinstance(placed, why)
            assert self.model.is_frozen or self.model.available < quantity
            return
        assert not self.model.is_frozen
        receipt = self.model.take(Decimal(quantity))
        hold = Held(receipt, Decimal(quantity), self.now + timedelta(seconds=ttl_seconds), self.now)
        self.model.holds.append(hold)
        self.ids[id(hold)] = placed.id

    @rule(quantities=st.lists(st.integers(1, 5), min_size=1, max_size=4))
    def hold_many(self, quantities: list[int]) -> None:
        jobs = [
            services.HoldRequest("image_generation", "job", self.next("hold"), quantity=quantity)
            for quantity in quantities
        ]
        placed = services.hold_many(account_id=self.account, holds=jobs, now=self.now)
        for answer, quantity in zip(placed, quantities, strict=True):
            self.was_placed(answer, quantity, 900)

    @rule(is_frozen=st.sampled_from([True, False, False]))
    def freeze(self, is_frozen: bool) -> None:
        change = services.freeze if is_frozen else services.thaw
        was_changed = change(account_id=self.account, cause="staff", now=self.now)
        assert was_changed == (is_frozen != self.model.is_frozen)
        self.model.is_frozen = is_frozen

    def some_hold(self, choice: int) -> tuple[Held, str]:
        hold = self.model.holds[-1 - choice % len(self.model.holds)]
        return hold, self.ids[id(hold)]

    @precondition(lambda self: self.model.holds)
    @rule(choice=st.integers(0, 5), share=st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal(1)]))
    def capture(self, choice: int, share: Decimal) -> None:
        hold, hold_id = self.some_hold(choice)
        spent = hold.credits * share
        try:
            captured = services.capture_hold(hold_id=hold_id, credits=spent, now=self.now)
        except (services.HoldExpired, services.HoldAlreadySettled):
            assert hold.state != "open"
            return
        if not captured.is_replay:
            self.model.end(hold, "captured", spent, self.now)
            self.model.pass_time(self.now)

    @precondition(lambda self: self.model.holds)
    @rule(choice=st.integers(0, 5), ttl_seconds=st.sampled_from([300, 7200, 86_400]))
    def extend(self, choice: int, ttl_seconds: int) -> None:
        hold, hold_id = self.some_hold(choice)
        ends = self.now + timedelta(seconds=ttl_seconds)
        try:
            services.extend_hold(hold_id=hold_id, ttl_seconds=ttl_seconds, now=self.now)
        except (services.HoldExpired, services.HoldAlreadySettled):
            assert hold.state != "open"
        except services.HoldTooLong:
            assert ends > hold.placed + 24 * HOUR
        else:
            assert hold.state == "open"
            hold.ends = max(hold.ends, ends)

    @precondition(lambda self: self.model.holds)
    @rule(choice=st.integers(0, 5))
    def release(self, choice: int) -> None:
        hold, hold_id = self.some_hold(choice)
        try:
            released = services.release_hold(hold_id=hold_id, now=self.now)
        except (services.HoldExpired, services.HoldAlreadySettled):
            assert hold.state in ("captured", "refunded", "expired")
            return
        if not released.is_replay:
            self.model.end(hold, "released", ZERO, self.now)
            self.model.pass_time(self.now)

    @precondition(lambda self: self.model.holds)
    @rule(choice=st.integers(0, 5), share=st.sampled_from([Decimal("0.5"), Decimal(1)]))
    def refund(self, choice: int, share: Decimal) -> None:
        hold, hold_id = self.some_hold(choice)
        row = Hold.objects.get(account_id=self.account, number=selectors.get_hold(hold_id=hold_id).number)  # type: ignore[union-attr]
        back = row.captured * share
        if hold.state != "captured":
            return
        services.refund_capture(hold_id=hold_id, credits=back, reason="", now=self.now)
        hold.state = "refunded"
        self.model.back(hold, back, self.now)
        self.model.pass_time(self.now)

    @rule(first_hours=st.sampled_from([10, 30]), then_hours=st.sampled_from([22, 25]))
    def refund_late(self, first_hours: int, then_hours: int) -> None:
        """Two captures from a lot that ends soon, refunded late, one after the other: what chance alone seldom does."""
        self.give(credits=Decimal(10), hours=3, kind="purchase")
        placed = len(self.model.holds)
        for _ in range(2):
            self.hold(quantity=1, ttl_seconds=900)
        for choice in range(len(self.model.holds) - placed):
            self.capture(choice=choice, share=Decimal(1))
        for choice, hours in zip(range(len(self.model.holds) - placed), (first_hours, then_hours), strict=False):
            self.pass_time(hours=hours)
            self.balances_are_the_models()
            self.refund(choice=choice, share=Decimal(1))
            self.balances_are_the_models()
        self.claw_back(choice=0, credits=Decimal(10), gives_back=True)
        self.pass_time(hours=2.5)

    @rule(hours=st.sampled_from([0.2, 24]))
    def refund_again(self, hours: float) -> None:
        """A refund that failed is made again, before or after what came back has ended."""
        self.give(credits=Decimal(10), hours=3, kind="purchase")
        self.claw_back(choice=0, credits=Decimal(6), gives_back=True)
        self.pass_time(hours=hours)
        self.claw_back(choice=0, credits=Decimal(10), gives_back=False)
        self.sweep()

    @rule(in_debt=st.booleans())
    def return_a_part(self, in_debt: bool) -> None:
        """A hold that takes from two lots comes back, in part to them, or while a clawback has left debt."""
        self.charge(credits=Decimal(1000))
        self.give(credits=Decimal(1), hours=3, kind="bonus")
        self.give(credits=Decimal(2), hours=None, kind="purchase")
        placed = len(self.model.holds)
        self.hold(quantity=2, ttl_seconds=900)
        if len(self.model.holds) == placed:
            return  # older debt took what was given
        if in_debt:
            self.claw_back(choice=0, credits=Decimal(2), gives_back=False)
            self.release(choice=0)
        else:
            self.capture(choice=0, share=Decimal("0.25"))
        self.sweep()

    @rule(credits=amounts | st.just(Decimal(1000)))  # all that there is: then a clawback leaves debt
    def charge(self, credits: Decimal) -> None:
        charged = self.call(
            services.charge,
            operation="storage",
            credits=credits,
            partial=True,
            idempotency_key=self.next("charge"),
        )
        assert charged.credits == min(credits, self.model.available)
        self.model.take(credits)

    @rule(credits=amounts, sign=st.sampled_from([1, -1]))
    def adjust(self, credits: Decimal, sign: int) -> None:
        try:
            self.call(services.adjust, credits=sign * credits, reason="", idempotency_key=self.next("adjust"))
        except services.InsufficientCredits:
            assert self.model.available < credits
            return
        if sign > 0:
            self.model.give(credits, None, False, self.now)
        else:
            self.model.take(credits)

    @precondition(lambda self: self.sold)
    @rule(choice=st.integers(0, 5), credits=amounts, gives_back=st.booleans())
    def claw_back(self, choice: int, credits: Decimal, gives_back: bool) -> None:
        source, lot = self.sold[-1 - choice % len(self.sold)]
        grant = {"kind": "purchase", "source": source, "credits": credits}
        clawed = self.call(services.claw_back, **grant, idempotency_key=self.next("refund"))
        expired = sum((own.expired for own in self.model.lots if own.whose is lot), ZERO)
        owed = max(min(credits, lot.credits - expired - lot.clawed), ZERO)
        assert clawed.credits == owed
        lot.clawed += owed
        found = sum((taken for _, taken in self.model.take(owed, first=lot)), ZERO)
        self.model.debt += owed - found
        if gives_back:
            self.give_back(choice=choice, credits=credits)

    @precondition(lambda self: self.sold)
    @rule(choice=st.integers(0, 5), credits=amounts)
    def give_back(self, choice: int, credits: Decimal) -> None:
        source, lot = self.sold[-1 - choice % len(self.sold)]
        grant = {"kind": "purchase", "source": source, "credits": credits}
        given = self.call(services.give_back, **grant, new_source=self.next("refund_failed"))
        back = min(credits, lot.clawed)
        assert (given.grant.credits if given else ZERO) == back
        if back:
            lot.clawed -= back
            ends = lot.own_end
            if ends and lot.length and ends <= self.now:
                ends = self.now + lot.length
            self.model.give(back, ends, True, self.now).returns = lot

    @precondition(lambda self: self.done)
    @rule(choice=st.integers(0, 9))
    def replay(self, choice: int) -> None:
        service, arguments = self.done[-1 - choice % len(self.done)]
        assert service(account_id=self.account, now=self.now, **arguments).is_replay

    @rule()
    def sweep(self) -> None:
        services.expire(now=self.now)
        lots = Grant.objects.filter(account_id=self.account).order_by("number").values_list("remaining", flat=True)
        assert list(lots) == [lot.remaining for lot in self.model.lots]

    @invariant()
    def balances_are_the_models(self) -> None:
        balance = selectors.get_balance(account_id=self.account, now=self.now)
        model = self.model
        assert (balance.available, balance.held, balance.debt) == (model.available, model.held, model.debt)
        assert not (balance.debt and balance.available)

    def report_is_the_models(self, until: datetime, outstanding: Decimal, debt: Decimal) -> None:
        report = selectors.report_ledger(since=START, until=until)
        assert (report.credits.outstanding, report.debt_credits) == (outstanding, debt)
        for line in report.lines:
            for parts in (line.credits, line.cents):
                gone = parts.used + parts.expired + parts.clawed_back + parts.corrected
                assert parts.granted == gone + parts.outstanding

    def teardown(self) -> None:
        try:
            self.sweep()
            assert selectors.verify_account(account_id=self.account) == []
            for at, outstanding, debt in self.outstanding[:: max(len(self.outstanding) // REPORTS, 1)]:
                self.report_is_the_models(at + timedelta(microseconds=1), outstanding, debt)
        finally:
            transaction.set_rollback(True)
            self.rollback.__exit__(None, None, None)


SHORT = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.generate,),  # shrinking replays for minutes; the steps of a failure are few enough to read
)


class TestLedgerLife:
    def test_is_what_the_rules_say(self, db: None) -> None:
        run_state_machine_as_test(LedgerLife, settings=SHORT)

    # Each life a transaction of its own: a thousand inside the test's one would leave dead rows that nothing can clear.
    @pytest.mark.long
    @pytest.mark.django_db(transaction=True)
    def test_is_what_the_rules_say_a_hundred_thousand_steps_long(self) -> None:
        run_state_machine_as_test(LedgerLife, settings=settings(SHORT, max_examples=1000, stateful_step_count=100))


FAULTS = {
    "a lot revives past its 48 hours": (
        "return_credits",
        "g.expires_at + interval '48 hours')\n",
        "p_at + interval '24 hours')\n",
    ),
    "a lot revives twice": ("return_credits", "x.own_end_at IS NULL AND ", ""),
    "paid before given": ("burn", "x.expires_at, x.is_paid,", "x.expires_at, NOT x.is_paid,"),
    "not by expiry": ("burn", "x.priority, x.expires_at,", "x.priority,"),
    "the head is not by expiry": ("refresh_head", "g.priority, g.expires_at,", "g.priority,"),
    "a grant pays no debt": ("give", "least(a.debt, p_credits)", "0"),
    "a release pays no debt": ("end_hold", "least(a.debt, h.credits)", "0"),
    "the first lot is returned to first": (
        "return_credits",
        "REVERSE cardinality(p_lots)..1",
        "1..cardinality(p_lots)",
    ),
    "a clawback takes what expired": (
        "claw_back",
        "sum(x.expired)",
        "sum(0)",
    ),
    "a clawback passes over what was given back": (
        "claw_back",
        "x.is_open AND (x.number = g.number OR x.returns_grant = g.number)",
        "x.is_open AND x.number = g.number",
    ),
    "what was given back expires and is owed": (
        "claw_back",
        "p_account AND (x.number = g.number OR x.returns_grant = g.number));",
        "p_account AND x.number = g.number);",
    ),
    "a lot that was given back lives too long": ("give_back", "coalesce(g.own_end_at, g.expires_at)", "g.expires_at"),
    "more is given back than was taken": (
        "give_back",
        "SET clawed_back = x.clawed_back - v_back",
        "SET clawed_back = x.clawed_back",
    ),
}


class TestPlantedFault:
    """The random lives would notice: each fault is planted in the database, and must be found in 4,000 steps."""

    @pytest.mark.long
    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_found(self, db: None, fault: str) -> None:
        name, right, wrong = FAULTS[fault]
        source = sql.read(name)
        assert right in source
        with connection.cursor() as cursor:
            cursor.execute(source.replace(right, wrong))
        with pytest.raises((AssertionError, Error)):
            run_state_machine_as_test(LedgerLife, settings=settings(SHORT, max_examples=80))
