"""Many at the same time: threads, each with its own connection, against real transactions."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection, transaction
from django.utils import timezone

from credits import selectors as credits_selectors
from media import services
from media.models import Asset, StorageAccount, StorageDay
from media.services import accounts
from media.storage import R2Client
from media.tests.conftest import GIGABYTE, MEGABYTE, PNG, Announce, Store, ledger_lines, put
from smartspec.tests.threads import at_once
from smartspec.users import services as users_services

pytestmark = pytest.mark.django_db(transaction=True)

ELEVENTH = datetime(2026, 3, 11, 0, 11, tzinfo=UTC)


def refusals(answers: list[Any]) -> list[type]:
    return [type(answer) for answer in answers if isinstance(answer, services.QuotaExceeded | services.UnknownAsset)]


def wait_until_somebody_waits() -> None:
    """Wait until another connection waits for what this one has locked."""
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.01)
    pytest.fail("Nobody waits for a lock.")


class TestRace:
    def test_of_uploads_that_only_some_fit_is_won_by_as_many(
        self, announce: Announce, usage: Callable[..., Any], now: datetime
    ) -> None:
        answers = at_once(8, lambda n: announce(size_bytes=30 * MEGABYTE))
        assert refusals(answers) == [services.QuotaExceeded] * 5
        assert usage(now).used_bytes == 90 * MEGABYTE
        assert sorted(Asset.objects.values_list("number", flat=True)) == [1, 2, 3]

    def test_of_completions_stores_once(self, announce: Announce, usage: Callable[..., Any], now: datetime) -> None:
        announced = announce()
        put(announced.url, PNG, announced.headers)
        answers = at_once(6, lambda n: services.complete_upload(asset_id=str(announced.asset.pk), now=now))
        assert {answer.status for answer in answers if isinstance(answer, Asset)} == {"stored"}
        assert len(answers) == 6
        found = usage(now)
        assert (found.stored_bytes, found.objects) == (len(PNG), 1)

    def test_of_deletions_deletes_once(
        self, alice: Any, upload: Store, usage: Callable[..., Any], r2: R2Client, now: datetime
    ) -> None:
        asset, later = upload(), now + timedelta(hours=2)
        answers = at_once(6, lambda n: services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=later))
        assert answers == [None] * 6
        found = usage(now)
        assert (found.used_bytes, found.stored_bytes, found.objects) == (0, 0, 0)
        assert not r2.file_exists(asset.key)

    def test_of_completion_deletion_and_sweep_leaves_nothing_behind(
        self, alice: Any, announce: Announce, usage: Callable[..., Any], r2: R2Client, now: datetime
    ) -> None:
        later = now + timedelta(hours=2)
        for _ in range(5):
            announced = announce()
            put(announced.url, PNG, announced.headers)

            def race(n: int, asset_id: str = str(announced.asset.pk)) -> Any:
                match n:
                    case 0:
                        return services.complete_upload(asset_id=asset_id, now=now)
                    case 1:
                        return services.delete_asset(asset_id=asset_id, user_id=alice.pk, now=now)
                return services.sweep(now=later)

            at_once(4, race)
            services.sweep(now=later)
            assert not r2.file_exists(announced.asset.key)
        found = usage(later)
        assert (found.used_bytes, found.stored_bytes, found.objects) == (0, 0, 0)

    def test_of_an_upload_with_whoever_holds_its_account_does_not_let_the_url_outlive_the_asset(
        self, alice: Any, announce: Announce
    ) -> None:
        announce()
        is_held = Event()

        def race(n: int) -> Any:
            if n:
                is_held.wait()
                return announce(now=timezone.now())  # the clock by which URLs are signed
            with transaction.atomic():
                accounts.lock_account(user_id=alice.pk)
                is_held.set()
                time.sleep(3)
            return None

        _, announced = at_once(2, race)
        assert isinstance(announced, services.Upload)
        (signed_at,) = parse_qs(urlsplit(announced.url).query)["X-Amz-Date"]
        expires_at = datetime.strptime(signed_at, "%Y%m%dT%H%M%S%z") + timedelta(seconds=900)
        assert expires_at <= announced.expires_at + timedelta(seconds=1)


class TestErasure:
    """Whoever comes second waits for the account; whichever that is, nothing stays behind."""

    def race(self, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
        """Do the second while the first is being done, and return what it answered or refused."""
        is_held = Event()

        def run(n: int) -> Any:
            if n:
                is_held.wait()
                return second()
            with transaction.atomic():
                first()
                is_held.set()
                wait_until_somebody_waits()
            return None

        return at_once(2, run)[1]

    def test_is_seen_by_an_upload_that_had_begun(self, alice: Any, announce: Announce, now: datetime) -> None:
        announce()

        def erase() -> None:
            accounts.lock_account(user_id=alice.pk)
            users_services.request_erasure(user=alice, now=now)

        assert isinstance(self.race(erase, announce), services.UnknownUser)
        assert Asset.objects.count() == 1

    def test_forgets_the_name_of_an_upload_that_is_just_announced(
        self, alice: Any, announce: Announce, now: datetime
    ) -> None:
        announce()
        self.race(
            lambda: announce(filename="my secret.png", reference_id="my job"),
            lambda: services.forget_files(user_id=alice.pk, now=now),
        )
        kept = Asset.objects.values_list("status", "filename", "reference_id")
        assert list(kept) == [("deleted", "", "")] * 2


class TestBillers:
    def test_at_once_charge_each_account_and_day_once(
        self,
        alice: Any,
        bob: Any,
        store: Store,
        on_plan: Callable[..., None],
        give: Callable[..., None],
        now: datetime,
    ) -> None:
        on_plan("pro")
        give("0.0012")
        store(3 * GIGABYTE)
        store(50 * MEGABYTE, user_id=bob.pk)  # who has nothing
        at_once(4, lambda n: services.bill_storage(now=ELEVENTH + timedelta(days=1)))
        assert [line[:2] for line in ledger_lines(alice.pk)] == [("2026-03-10", "-0.0005"), ("2026-03-11", "-0.0007")]
        account = StorageAccount.objects.get(user=alice)
        assert (account.billed_credits, account.paid_credits) == (Decimal("0.0015"), Decimal("0.0012"))
        assert StorageDay.objects.filter(billed_at__isnull=False).count() == 4
        for user in (alice, bob):
            assert credits_selectors.verify_account(account_id=user.pk) == []

    def test_collectors_and_new_credits_at_once_pay_what_is_owed_and_no_more(
        self, alice: Any, store: Store, on_plan: Callable[..., None], give: Callable[..., None]
    ) -> None:
        on_plan("pro")
        store(3 * GIGABYTE)
        services.bill_storage(now=ELEVENTH)

        def race(n: int) -> Any:
            match n % 3:
                case 0:
                    return give("0.0002", at=ELEVENTH)
                case 1:
                    return services.collect_arrears(now=ELEVENTH)
            return services.bill_storage(now=ELEVENTH)

        at_once(9, race)
        services.collect_arrears(now=ELEVENTH)
        account = StorageAccount.objects.get()
        assert (account.paid_credits, account.step) == (Decimal("0.0005"), "none")
        assert sum(Decimal(credits) for _, credits, _ in ledger_lines(alice.pk)) == Decimal("-0.0005")
        assert credits_selectors.get_balance(account_id=alice.pk, now=ELEVENTH).available == Decimal("0.0001")

    def test_and_uploads_at_once_never_wait_for_each_other_for_ever(
        self, alice: Any, store: Store, on_plan: Callable[..., None], give: Callable[..., None], now: datetime
    ) -> None:
        on_plan("pro")
        give("1")
        store(GIGABYTE)

        def race(n: int) -> Any:
            if n % 2:
                return services.bill_storage(now=ELEVENTH + timedelta(days=n))
            asset = store(MEGABYTE, at=ELEVENTH + timedelta(days=n))
            return services.delete_asset(
                asset_id=str(asset.pk), user_id=alice.pk, now=ELEVENTH + timedelta(days=n, hours=1)
            )

        assert not [answer for answer in at_once(6, race) if isinstance(answer, Exception)]
        services.bill_storage(now=ELEVENTH + timedelta(days=6))
        assert StorageDay.objects.filter(billed_at=None, day_date__lt=ELEVENTH.date() + timedelta(days=6)).count() == 0
