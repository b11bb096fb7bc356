"""Many at the same time: threads, each with its own connection, against real transactions."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from credits import selectors, services
from credits.models import Entry, Grant, Hold
from credits.tests.conftest import Give, Place
from smartspec.tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


class TestRace:
    def test_nobody_spends_a_credit_that_is_not_there(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        answers = at_once(16, lambda n: place(1, idempotency_key=f"key-{n}"))
        placed = [answer for answer in answers if isinstance(answer, services.PlacedHold)]
        assert len(placed) == 10
        assert {type(answer) for answer in answers} == {services.PlacedHold, services.InsufficientCredits}
        assert {hold.available for hold in placed} == set(range(10))

    def test_one_key_is_one_effect_and_equal_answers(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        answers = at_once(12, lambda n: place(2, idempotency_key="key"))
        assert all(isinstance(answer, services.PlacedHold) for answer in answers)
        assert (
            len({(answer.id, answer.available) for answer in answers if isinstance(answer, services.PlacedHold)}) == 1
        )
        assert sum(not answer.is_replay for answer in answers if isinstance(answer, services.PlacedHold)) == 1

    def test_one_source_is_one_grant(self, account_id: UUID, give: Give) -> None:
        answers = at_once(12, lambda n: give(5, source="purchase:1"))
        assert sum(isinstance(answer, services.Granted) and not answer.is_replay for answer in answers) == 1
        assert Grant.objects.count() == Entry.objects.count() == 1

    def test_one_period_is_one_allowance(self, account_id: UUID, now: datetime) -> None:
        answers = at_once(8, lambda n: services.give_allowances(account_id=account_id, now=now))
        assert sum(len(answer) for answer in answers if isinstance(answer, list)) == 1
        assert selectors.get_balance(account_id=account_id, now=now).available == 10

    def test_one_address_is_one_allowance(self, db: None, now: datetime) -> None:
        from credits.tests.test_allowances import make_person

        people = [make_person(f"carol+{n}@example.com").pk for n in range(8)]
        answers = at_once(8, lambda n: services.give_allowances(account_id=people[n], now=now))
        assert sum(len(answer) for answer in answers if isinstance(answer, list)) == 1

    def test_capture_release_and_expiry_end_a_hold_once(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(20)
        for _ in range(5):
            hold = place(1)

            def race(n: int, hold_id: str = hold.id) -> Any:
                match n:
                    case 0:
                        return services.capture_hold(hold_id=hold_id, now=now)
                    case 1:
                        return services.release_hold(hold_id=hold_id, now=now)
                    case 2:
                        return services.capture_hold(hold_id=hold_id, credits=Decimal("0.5"), now=now)
                return services.expire(now=now + timedelta(hours=1))

            at_once(4, race)
            ended = Hold.objects.get(account_id=account_id, number=hold.number)
            assert ended.status != "open"
            entries = Entry.objects.filter(hold_number=hold.number)
            assert [entry.delta_credits for entry in entries] == ([-ended.captured] if ended.captured else [])

    def test_grants_while_holds_run_are_not_lost(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(20)

        def work(n: int) -> None:
            for turn in range(10):
                if n % 2:
                    give(1, source=f"grant-{n}-{turn}")
                else:
                    hold = place(1, idempotency_key=f"hold-{n}-{turn}")
                    services.capture_hold(hold_id=hold.id, now=now)

        assert at_once(4, work) == [None] * 4
        assert selectors.get_balance(account_id=account_id, now=now).available == 20

    def test_mixed_calls_over_accounts_never_deadlock(
        self, account_id: UUID, alice: Any, bob: Any, place: Place, now: datetime
    ) -> None:
        accounts = [account_id, bob.pk]
        for account in accounts:
            services.grant(account_id=account, kind="purchase", credits=Decimal(50), source="purchase:1", now=now)

        def work(n: int) -> None:
            for turn in range(15):
                account = accounts[(n + turn) % 2]
                at = now + timedelta(minutes=turn * 6)
                hold = place(1, account_id=account, idempotency_key=f"{n}-{turn}", now=at)
                match (n + turn) % 4:
                    case 0:
                        services.capture_hold(hold_id=hold.id, credits=Decimal("0.5"), now=at)
                    case 1:
                        services.release_hold(hold_id=hold.id, now=at)
                    case 2:
                        services.claw_back(
                            account_id=account,
                            kind="purchase",
                            source="purchase:1",
                            credits=Decimal(1),
                            idempotency_key=f"{n}-{turn}",
                            now=at,
                        )
                    case 3:
                        services.expire(now=at)

        refusals = {type(answer) for answer in at_once(6, work)}
        assert refusals <= {type(None), services.InsufficientCredits, services.HoldExpired}
        for account in accounts:
            assert selectors.verify_account(account_id=account) == []


class TestBalance:
    @pytest.mark.parametrize("table", ["credits_hold", "credits_grant"])
    def test_is_of_one_moment_while_something_is_due(
        self, account_id: UUID, give: Give, place: Place, now: datetime, table: str
    ) -> None:
        """Another process releases a hold after the account was read, before its holds or its lots are."""
        give(10)
        place(4)
        other = place(3, ttl_seconds=3600)
        later = now + timedelta(minutes=20)
        before = [f'FROM "{table}"']

        def release_meanwhile(execute: Any, statement: str, *arguments: Any) -> Any:
            if before and before[0] in statement:
                before.clear()
                at_once(1, lambda n: services.release_hold(hold_id=other.id, now=later))
            return execute(statement, *arguments)

        with connection.execute_wrapper(release_meanwhile):
            found = selectors.get_balance(account_id=account_id, now=later)
        assert not before
        assert (found.available, found.held) == (10, 0)


class TestAllowance:
    def test_ends_with_a_plan_that_another_process_ends_meanwhile(
        self, account_id: UUID, now: datetime, available: Callable[[], Decimal]
    ) -> None:
        plan: dict[str, Any] = {"account_id": account_id, "anchor_at": now, "now": now}
        services.set_plan(**plan, plan="pro", paid_until=now + timedelta(days=28), source="sub_1")
        endings: list[Future[Any]] = []

        def end() -> None:
            services.set_plan(**plan, plan="free", paid_until=None, source="free")
            connections.close_all()

        def end_meanwhile(execute: Any, statement: str, *arguments: Any) -> Any:
            if not endings and "credits_give_allowance" in statement:
                endings.append(pool.submit(end))
                wait(endings, timeout=2)  # in vain where it waits for the account
            return execute(statement, *arguments)

        with ThreadPoolExecutor(1) as pool, connection.execute_wrapper(end_meanwhile):
            services.give_allowances(account_id=account_id, now=now)
        endings[0].result()
        assert available() == 0


class TestBatch:
    def test_is_one_commit(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(10)
        requests = [services.HoldRequest("image_generation", "job", f"key-{n}") for n in range(5)]
        placed = services.hold_many(account_id=account_id, holds=requests, now=now)
        assert len(transactions("credits_hold")) == 1
        captures = [services.CaptureRequest(hold.id) for hold in placed if isinstance(hold, services.PlacedHold)]
        services.capture_many(account_id=account_id, captures=captures, now=now)
        assert len(captures) == 5
        assert len(transactions("credits_hold")) == 1
        assert len(transactions("credits_entry")) == 2  # the grant's and the batch's


def transactions(table: str) -> set[int]:
    """Return the transactions that wrote the rows of a table as they are now."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT xmin::text::bigint FROM {table}")
        return {number for (number,) in cursor.fetchall()}
