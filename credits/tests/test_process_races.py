"""Many processes at the same time on the same accounts. The long forms are what the short ones are, for longer."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from credits import selectors, services
from credits.models import Entry, Grant, Hold
from credits.tests.conftest import Give, Place
from credits.tests.processes import at_once
from smartspec.errors import DomainError
from smartspec.users.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("processes")]

PROCESSES = 32


class TestRace:
    def test_a_hundred_credits_are_a_hundred_holds(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(100)

        def take(n: int) -> list[str]:
            placed = []
            for turn in range(5):
                try:
                    placed.append(place(1, idempotency_key=f"{n}-{turn}").id)
                except services.InsufficientCredits:
                    placed.append("")
            return placed

        placed = [hold_id for answers in at_once(PROCESSES, take) for hold_id in answers]
        holds = [hold_id for hold_id in placed if hold_id]
        assert (len(placed), len(holds), len(set(holds))) == (PROCESSES * 5, 100, 100)
        balance = selectors.get_balance(account_id=account_id, now=now)
        assert (balance.available, balance.held) == (0, 100)

    def test_one_key_is_one_effect_and_equal_answers(self, account_id: UUID, give: Give, place: Place) -> None:
        give(100)

        def take(n: int) -> tuple[Any, ...]:
            hold = place(3, idempotency_key="key")
            return hold.id, hold.credits, hold.available, hold.expires_at, hold.high_priority

        answers = at_once(PROCESSES, take)
        assert len(set(answers)) == 1
        assert Hold.objects.count() == 1

    def test_capture_release_and_expiry_end_a_hold_once(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(40)
        holds = [place(1) for _ in range(20)]

        def end(n: int) -> list[str]:
            ended = []
            for hold in holds:
                try:
                    match n % 3:
                        case 0:
                            replay = services.capture_hold(hold_id=hold.id, now=now).is_replay
                        case 1:
                            replay = services.release_hold(hold_id=hold.id, now=now).is_replay
                        case _:
                            services.expire(now=now + timedelta(hours=1))
                            continue
                except DomainError:
                    continue
                if not replay:
                    ended.append(hold.id)
            return ended

        ended = [hold_id for answers in at_once(9, end) for hold_id in answers]
        assert len(ended) == len(set(ended))
        rows = {hold.public_id: hold for hold in Hold.objects.all()}
        assert {hold.status for hold in rows.values()} <= {"captured", "released", "expired"}
        assert set(ended) == {hold_id for hold_id, hold in rows.items() if hold.status in ("captured", "released")}
        captured = [hold.number for hold in rows.values() if hold.status == "captured"]
        entries = Entry.objects.filter(entry_type="usage").values_list("hold_number", flat=True)
        assert (len(entries), set(entries)) == (len(captured), set(captured))

    def test_grants_while_holds_run_are_not_lost(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(80)

        def work(n: int) -> None:
            for turn in range(10):
                if n % 2:
                    give(1, source=f"grant-{n}-{turn}")
                else:
                    services.capture_hold(hold_id=place(1, idempotency_key=f"{n}-{turn}").id, now=now)

        assert at_once(16, work) == [None] * 16
        assert selectors.get_balance(account_id=account_id, now=now).available == 80
        assert (Grant.objects.count(), Entry.objects.filter(entry_type="usage").count()) == (81, 80)


class TestMixedCalls:
    def test_never_deadlock(self, now: datetime) -> None:
        mix(now, accounts=10, processes=8, calls=60)

    @pytest.mark.long
    def test_never_deadlock_in_a_hundred_thousand_over_fifty_accounts(self, now: datetime) -> None:
        mix(now, accounts=50, processes=16, calls=100_000 // 16)


def mix(now: datetime, *, accounts: int, processes: int, calls: int) -> None:
    """Make every kind of call on accounts at random from many processes; refusals are fine, errors are not."""
    people = [User.objects.create_user(f"mix-{n}@example.com").pk for n in range(accounts)]
    for account_id in people:
        services.grant(account_id=account_id, kind="purchase", credits=Decimal(500), source="purchase:1", now=now)

    def work(n: int) -> int:
        chance = random.Random(n)
        holds: list[str] = []
        done = 0
        for turn in range(calls):
            try:
                call(chance, chance.choice(people), f"{n}-{turn}", now + timedelta(seconds=turn), holds)
                done += 1
            except DomainError:
                continue
        return done

    assert sum(at_once(processes, work)) > processes * calls / 2
    checked = 0
    for count, faults in selectors.verify_ledger():
        assert faults == []
        checked += count
    assert checked == accounts


def call(chance: random.Random, account_id: UUID, key: str, at: datetime, holds: list[str]) -> None:
    some_hold = chance.choice(holds) if holds else ""
    person: dict[str, Any] = {"account_id": account_id, "now": at}
    match chance.randrange(12):
        case 0 | 1 | 2 | 3:
            placed = services.place_hold(
                **person,
                operation="image_generation",
                quantity=chance.randint(1, 3),
                reference_id="job",
                idempotency_key=key,
                ttl_seconds=chance.choice((1, 60, 900)),
            )
            holds.append(placed.id)
        case 4 | 5:
            services.capture_hold(hold_id=some_hold, credits=chance.choice((None, Decimal("0.5"))), now=at)
        case 6:
            services.release_hold(hold_id=some_hold, now=at)
        case 7:
            services.refund_capture(hold_id=some_hold, reason="", now=at)
        case 8:
            ends = chance.choice((None, at + timedelta(seconds=30)))
            services.grant(**person, kind="bonus", credits=Decimal(3), source=f"bonus:{key}", expires_at=ends)
        case 9:
            services.charge(**person, operation="storage", credits=Decimal("0.25"), partial=True, idempotency_key=key)
        case 10:
            services.claw_back(**person, kind="purchase", source="purchase:1", credits=Decimal(1), idempotency_key=key)
        case _:
            services.expire(now=at, limit=3)
