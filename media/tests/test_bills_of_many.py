"""The daily bill of many accounts: a round trip for fifty, a commit for each, and once, whoever is killed meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import call_command
from django.db import Error, connection, connections

from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Entry, Grant, Hold, UsageDay
from credits.tests.processes import at_once, kill, start
from credits.tests.test_crashes import OwnServer, own_server
from media import selectors, services, sql
from media.bench import dataset
from media.models import StorageAccount, StorageDay
from media.services import bills
from media.tests.conftest import GIGABYTE, MEGABYTE, Store, ledger_lines

__all__ = ["own_server"]

TENTH = datetime(2026, 3, 10, tzinfo=UTC)
ELEVENTH = datetime(2026, 3, 11, 0, 11, tzinfo=UTC)
DAY = timedelta(days=1)
MANY = 40


def load_crowd(people: int = MANY) -> list[UUID]:
    """Make people who store 3 GB from the 10th on: 0.001 credits a day, of 1,000 that each has."""
    return dataset.load_people((f"crowd {n}" for n in range(people)), stored_bytes=3 * GIGABYTE, now=TENTH)


def assert_billed_once(days: int, people: int = MANY) -> None:
    """Assert that everybody has paid for so many days, once, and that all books add up."""
    assert StorageDay.objects.filter(billed_at__isnull=False, credits=Decimal("0.001")).count() == people * days
    assert Entry.objects.filter(entry_type="usage", delta_credits=Decimal("-0.001")).count() == people * days
    for account in StorageAccount.objects.all():
        assert account.paid_credits == account.billed_credits == Decimal("0.001") * days
        assert credits_selectors.verify_account(account_id=account.user_id) == []
    assert set(Grant.objects.values_list("remaining", flat=True)) == {1000 - Decimal("0.001") * days}


def bill_as_read(user_id: UUID, *, until: date = date(2026, 3, 11)) -> bool:
    return bill_this(StorageAccount.objects.get(pk=user_id), until=until)


def bill_this(account: StorageAccount, *, until: date) -> bool:
    return not bills.bill_as_read([account], until=until, now=ELEVENTH, bills=services.Bills())


@pytest.mark.django_db
class TestBillOfOneRoundTrip:
    @pytest.mark.parametrize("name", ["bill_account", "bill_accounts"])
    def test_is_the_function_in_the_file(self, name: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [f"media_{name}"])
            ((installed,),) = cursor.fetchall()
        assert installed.strip() in sql.read(name)

    def test_is_that_of_fifty_accounts(self, django_assert_num_queries: Any) -> None:
        load_crowd(people := 120)
        selectors.storage_rate(at=TENTH)  # the catalogue is read once
        with django_assert_num_queries(1 + 3):  # who is to be billed, and their bills
            assert services.bill_storage(now=ELEVENTH).accounts == people
        assert_billed_once(days=1, people=people)

    def test_is_made_by_a_server_that_does_not_own_the_ledger(self) -> None:
        (somebody, *_) = load_crowd(1)
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE media_test_server")
            credits_services.grant_ledger_role(role="media_test_server")
            cursor.execute("SET ROLE media_test_server")
            assert bill_as_read(somebody)
            cursor.execute("RESET ROLE")
        assert_billed_once(days=1, people=1)

    def test_writes_what_the_bill_step_by_step_writes(self, alice: Any, bob: Any, store: Store, now: datetime) -> None:
        for user in (alice, bob):
            for number, credits in enumerate(("0.0000007", "0.000001", "5")):
                credits_services.grant(
                    account_id=user.pk, kind="bonus", credits=Decimal(credits).quantize(Decimal("0.000001")),
                    source=str(number), now=now,
                )  # fmt: skip
            store(77_777_777, user_id=user.pk)
        until = ELEVENTH.date() + 4 * DAY
        assert bill_as_read(alice.pk, until=until)
        services.bill_account(user_id=bob.pk, until=until, now=ELEVENTH, bills=services.Bills())
        assert len(ledger_lines(alice.pk)) == 5
        for model in (StorageAccount, StorageDay, Entry, Hold, Grant, UsageDay):
            assert rows(model, alice.pk) == rows(model, bob.pk), model

    def test_is_refused_where_somebody_changed_the_account(self, alice: Any, store: Store, give: Any) -> None:
        give("1")
        asset = store(50 * MEGABYTE)
        account = StorageAccount.objects.get()
        services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=TENTH + timedelta(hours=18))
        assert not bill_this(account, until=ELEVENTH.date())
        assert_nothing_written(alice.pk)
        assert services.bill_storage(now=ELEVENTH).credits == Decimal("0.000004")  # 6 hours of 0.05 GB

    def test_is_refused_where_the_credits_do_not_suffice(self, alice: Any, store: Store, give: Any) -> None:
        give("0.000010")  # the first day and a part of the second
        store(50 * MEGABYTE)
        assert not bill_as_read(alice.pk, until=ELEVENTH.date() + DAY)
        assert_nothing_written(alice.pk)
        services.bill_storage(now=ELEVENTH + DAY)
        assert [line[:2] for line in ledger_lines(alice.pk)] == [
            ("2026-03-10", "-0.000008"),
            ("2026-03-11", "-0.000002"),
        ]
        assert StorageAccount.objects.get().step == "warned"

    def test_is_refused_where_something_is_owed_or_on_record(self, alice: Any, store: Store, give: Any) -> None:
        store(50 * MEGABYTE)
        services.bill_storage(now=ELEVENTH)
        give("1")
        assert not bill_as_read(alice.pk, until=ELEVENTH.date() + DAY)  # arrears first
        services.bill_storage(now=ELEVENTH + DAY)
        store(1 * MEGABYTE, at=ELEVENTH + 2 * DAY)  # the day before is on record, and not billed
        assert not bill_as_read(alice.pk, until=ELEVENTH.date() + 2 * DAY)
        assert services.bill_storage(now=ELEVENTH + 2 * DAY).days == 1

    def test_is_refused_where_lots_have_just_ended(self, alice: Any, store: Store, now: datetime) -> None:
        credits_services.grant(
            account_id=alice.pk, kind="bonus", credits=Decimal(1), source="short", now=now, expires_at=now + DAY / 2
        )
        store(50 * MEGABYTE)
        assert not bill_as_read(alice.pk)
        assert_nothing_written(alice.pk)


def rows(model: Any, user_id: UUID) -> list[dict[str, Any]]:
    """Return a table's rows of somebody, but for whose they are."""
    owner = "user_id" if hasattr(model, "user_id") else "account_id"
    found = model.objects.filter(**{owner: user_id}).order_by("pk").values()
    return [{name: value for name, value in row.items() if name not in (owner, "id")} for row in found]


def assert_nothing_written(user_id: UUID) -> None:
    assert ledger_lines(user_id) == []
    assert not StorageDay.objects.filter(billed_at__isnull=False).exists()
    assert StorageAccount.objects.get(pk=user_id).billed_credits == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("processes")
class TestBillsOfMany:
    def test_are_committed_one_by_one(self) -> None:
        load_crowd(3)
        accounts = list(StorageAccount.objects.order_by("pk"))
        way = connection.get_connection_params()
        with psycopg.connect(**way) as busy, psycopg.connect(**way | {"autocommit": True}) as outside:
            busy.execute("SELECT FROM credits_account WHERE account_id = %s FOR UPDATE", [accounts[1].pk])
            with ThreadPoolExecutor(1) as pool:
                billing = pool.submit(self.bill, accounts)
                wait_for(lambda: StorageDay.objects.exists())
                ((billed,),) = outside.execute("SELECT user_id FROM media_storageday").fetchall()
                assert billed == accounts[0].pk
                busy.rollback()
                assert billing.result() == []
        assert_billed_once(days=1, people=3)

    def bill(self, accounts: list[StorageAccount]) -> list[StorageAccount]:
        try:
            return bills.bill_as_read(accounts, until=ELEVENTH.date(), now=ELEVENTH, bills=services.Bills())
        finally:
            connection.close()

    def test_that_fail_together_are_made_one_by_one(self) -> None:
        load_crowd()
        with connection.cursor() as cursor:
            cursor.execute("DROP PROCEDURE media_bill_accounts")
        assert services.bill_storage(now=ELEVENTH).accounts == MANY
        assert_billed_once(days=1)

    def test_leave_who_cannot_pay_to_the_bill_step_by_step(self) -> None:
        (poor, *_) = load_crowd()
        credits_services.charge(
            account_id=poor, operation="any", credits=Decimal(1000), now=ELEVENTH, idempotency_key="all"
        )
        billed = services.bill_storage(now=ELEVENTH)
        assert (billed.accounts, billed.credits - billed.paid) == (MANY, Decimal("0.001"))
        assert [account.user_id for account in StorageAccount.objects.filter(step="warned")] == [poor]

    def test_by_many_processes_at_once_are_made_once(self) -> None:
        load_crowd()
        answers = at_once(4, lambda n: services.bill_storage(now=ELEVENTH + DAY))
        assert [answer.failed for answer in answers] == [0] * 4
        assert sum(answer.accounts for answer in answers) == MANY
        assert_billed_once(days=2)

    def test_are_made_once_when_billers_are_killed(self) -> None:
        load_crowd(people := 200)
        for turn in range(8):
            connections.close_all()
            billers = [start(bill) for _ in range(2)]
            time.sleep(0.03 * turn)
            for biller in billers:
                kill(biller)
        services.bill_storage(now=ELEVENTH)
        assert_billed_once(days=1, people=people)

    def test_that_the_disk_had_not_seen_are_made_again(self, own_server: OwnServer, tmp_path: Path) -> None:
        call_command("migrate", "media", verbosity=0)
        load_crowd(people := 400)
        connections.close_all()
        biller = start(bill)
        wait_for(lambda: StorageDay.objects.exists())
        connections.close_all()
        own_server.kill()
        kill(biller)
        own_server.restart()
        billed = StorageDay.objects.count()
        assert billed < people
        assert services.bill_storage(now=ELEVENTH).accounts == people - billed
        assert_billed_once(days=1, people=people)


def bill() -> None:
    """Bill until killed, or the database is gone."""
    try:
        services.bill_storage(now=ELEVENTH)
    except Error:
        return


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
