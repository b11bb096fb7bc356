"""Storage that could not be paid: the next credits pay it first; the ladder meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services as credits_services
from media import selectors, services, tasks, watching
from media.bench import dataset
from media.models import Asset, StorageAccount, StorageEvent
from media.services import accounts
from media.tests import outage
from media.tests.conftest import GIGABYTE, MEGABYTE, Announce, Store, ledger_lines
from smartspec import paging
from smartspec.users.models import User

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ELEVENTH = datetime(2026, 3, 11, 0, 11, tzinfo=UTC)
MANY = 501  # one more than are deleted at once


@pytest.fixture
def occupied(on_plan: Callable[..., None], store: Store) -> Asset:
    """Alice has stored 3 GB since the 10th at noon: 0.0005 that day, 0.001 on each after it."""
    on_plan("pro")
    return store(3 * GIGABYTE)


@pytest.fixture
def pass_days(django_capture_on_commit_callbacks: Any) -> Callable[[int], None]:
    """Return a function that lets the tasks of days run: `pass_days(8)` is 8 days from the 11th."""

    def run(days: int, first: int = 0) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            for day in range(first, days):
                now = ELEVENTH + day * DAY
                services.collect_arrears(now=now)
                services.bill_storage(now=now)
                climb(now=now)

    return run


@pytest.fixture
def many(alice: Any, on_plan: Callable[..., None], counters_add_up: None, now: datetime) -> None:
    """Alice has stored so many files that they are deleted in two goes."""
    on_plan("pro")
    accounts.open_account(user_id=alice.pk, now=now)
    dataset.load_assets(alice.pk, MANY, now=now)
    size_bytes = MANY * dataset.FILE_BYTES
    StorageAccount.objects.update(asset_count=MANY, used_bytes=size_bytes, stored_bytes=size_bytes)


def climb(*, now: datetime) -> int:
    """Let the ladder's three tasks run, and return how many steps were taken."""
    steps = services.climb_ladder(now=now)
    services.remind_unpaid(now=now)
    services.delete_unpaid(now=now)
    return steps


def arrears() -> Decimal:
    return StorageAccount.objects.get().arrears_credits


def steps() -> list[tuple[str, str]]:
    """Return the events of the ladder: what, and on which day."""
    events = StorageEvent.objects.order_by("happened_at", "pk")
    return [(event.kind, f"{event.happened_at:%m-%d}") for event in events]


class TestArrears:
    def test_are_what_there_were_no_credits_for(
        self, alice: Any, occupied: Asset, give: Callable[..., None], usage: Callable[..., Any]
    ) -> None:
        give("0.0012")
        services.bill_storage(now=ELEVENTH + DAY)
        assert [line[:2] for line in ledger_lines(alice.pk)] == [("2026-03-10", "-0.0005"), ("2026-03-11", "-0.0007")]
        found = usage(ELEVENTH + DAY)
        assert (found.arrears_credits, found.unpaid_since) == (Decimal("0.0003"), ELEVENTH + DAY)

    def test_are_told_to_operators(self, occupied: Asset) -> None:
        before = [gauge.samples for gauge in watching.arrears(ELEVENTH)]
        services.bill_storage(now=ELEVENTH)
        after = [gauge.samples for gauge in watching.arrears(ELEVENTH)]
        assert (before, after) == ([{(): 0}, {(): 0}], [{(): 1}, {(): float(arrears())}])

    def test_are_paid_first_by_the_next_credits(
        self, alice: Any, occupied: Asset, give: Callable[..., None], available: Callable[[datetime], Decimal]
    ) -> None:
        services.bill_storage(now=ELEVENTH + 2 * DAY)
        assert arrears() == Decimal("0.0025")
        give("1", at=ELEVENTH + 2 * DAY)
        assert services.collect_arrears(now=ELEVENTH + 2 * DAY) == 1
        assert arrears() == 0
        assert available(ELEVENTH + 2 * DAY) == Decimal("0.9975")
        assert ledger_lines(alice.pk) == [("arrears:2026-03-13", "-0.0025", "Storage owed since 2026-03-13")]
        assert services.collect_arrears(now=ELEVENTH + 2 * DAY) == 0

    def test_are_paid_before_the_new_day(self, alice: Any, occupied: Asset, give: Callable[..., None]) -> None:
        services.bill_storage(now=ELEVENTH)
        give("0.0006", at=ELEVENTH + DAY)
        services.bill_storage(now=ELEVENTH + DAY)
        assert [line[:2] for line in ledger_lines(alice.pk)] == [
            ("arrears:2026-03-11", "-0.0005"),
            ("2026-03-11", "-0.0001"),
        ]
        assert arrears() == Decimal("0.0009")

    def test_are_paid_in_parts_each_once(self, alice: Any, occupied: Asset, give: Callable[..., None]) -> None:
        services.bill_storage(now=ELEVENTH)
        for part in ("0.0001", "0.0001", "0.0001"):
            give(part, at=ELEVENTH)
            services.collect_arrears(now=ELEVENTH)
            services.collect_arrears(now=ELEVENTH)
        assert arrears() == Decimal("0.0002")
        assert [credits for _, credits, _ in ledger_lines(alice.pk)] == ["-0.0001"] * 3

    def test_are_not_sought_where_there_are_no_credits(self, occupied: Asset, django_assert_num_queries: Any) -> None:
        services.bill_storage(now=ELEVENTH)
        with django_assert_num_queries(2):  # who owes, and who of them has credits
            assert services.collect_arrears(now=ELEVENTH) == 0


def test_who_owes_is_read_page_by_page(alice: User, bob: User, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in (alice, bob):
        store(50 * MEGABYTE, user_id=person.pk)
    services.bill_storage(now=ELEVENTH + DAY)
    monkeypatch.setattr(paging, "PAGE_ROWS", 1)
    reads = (selectors.iterate_unpaid_accounts, selectors.iterate_accounts_to_empty)
    for read, step in zip(reads, ("warned", "files_deleted"), strict=True):
        StorageAccount.objects.update(step=step)
        with CaptureQueriesContext(connection) as queries:
            assert set(read()) == {alice.pk, bob.pk}
        assert all("LIMIT 1" in query["sql"] for query in queries)


class TestLadder:
    def test_warns_stops_deletes_each_once_with_an_e_mail_and_an_event(
        self,
        alice: Any,
        occupied: Asset,
        announce: Announce,
        pass_days: Callable[..., None],
        mailoutbox: list[Any],
    ) -> None:
        pass_days(7)
        assert steps() == [("warned", "03-11")]
        announce(now=ELEVENTH + 7 * DAY - timedelta(minutes=1))
        pass_days(8, first=7)
        assert steps() == [("warned", "03-11"), ("uploads_stopped", "03-18")]
        with pytest.raises(services.UploadsStopped) as refused:
            announce(now=ELEVENTH + 7 * DAY)
        assert refused.value.context == {"arrears_credits": Decimal("0.0075")}
        pass_days(60, first=8)
        assert Asset.objects.filter(status="stored").exists()
        pass_days(70, first=60)
        assert not Asset.objects.filter(status="stored").exists()
        assert steps() == [("warned", "03-11"), ("uploads_stopped", "03-18"), ("files_deleted", "05-10")]
        assert [mail.subject for mail in mailoutbox] == [
            "Your SmartSpec Pro storage could not be paid",
            "SmartSpec Pro takes no new files from you until storage is paid",
            "Your files at SmartSpec Pro were deleted",
        ]
        assert all(mail.to == [alice.email] for mail in mailoutbox)
        assert "March 18, 2026" in mailoutbox[0].body
        assert "May 10, 2026" in mailoutbox[0].body
        assert "0.0005 credits are owed" in mailoutbox[0].body

    def test_costs_no_more_once_the_files_are_deleted(self, occupied: Asset, pass_days: Callable[..., None]) -> None:
        pass_days(62)
        owed = arrears()
        pass_days(80, first=62)
        # Half a day, 60 days, and the first 11 minutes of the 10th of May.
        assert arrears() == owed == Decimal("0.0005") + Decimal("0.060") + Decimal("0.000007")

    def test_ends_by_paying_and_begins_anew_afterwards(
        self,
        alice: Any,
        occupied: Asset,
        announce: Announce,
        give: Callable[..., None],
        pass_days: Callable[..., None],
        mailoutbox: list[Any],
    ) -> None:
        pass_days(10)
        give("0.0105", at=ELEVENTH + 9 * DAY)  # nine and a half days are owed, and one more will be
        services.collect_arrears(now=ELEVENTH + 9 * DAY)
        assert steps()[-1] == ("paid", "03-20")
        assert StorageAccount.objects.get().step == "none"
        announce(now=ELEVENTH + 9 * DAY)
        pass_days(12, first=10)
        assert [kind for kind, _ in steps()] == ["warned", "uploads_stopped", "paid", "warned"]
        announce(now=ELEVENTH + 11 * DAY)
        assert len(mailoutbox) == 3

    def test_does_not_stop_whoever_has_just_bought_credits(
        self, occupied: Asset, announce: Announce, give: Callable[..., None], pass_days: Callable[..., None]
    ) -> None:
        pass_days(10)
        give("1", at=ELEVENTH + 9 * DAY)
        announce(now=ELEVENTH + 9 * DAY)  # pays on the way in
        assert arrears() == 0

    def test_does_not_climb_with_whoever_could_pay(
        self, occupied: Asset, give: Callable[..., None], pass_days: Callable[..., None]
    ) -> None:
        pass_days(1)
        give("1", at=ELEVENTH + 60 * DAY)
        assert climb(now=ELEVENTH + 60 * DAY) == 0
        assert [kind for kind, _ in steps()] == ["warned", "paid"]
        assert Asset.objects.get().status == "stored"

    def test_takes_every_step_after_a_pause(self, occupied: Asset, pass_days: Callable[..., None]) -> None:
        pass_days(1)
        assert climb(now=ELEVENTH + 90 * DAY) == 2
        assert [kind for kind, _ in steps()] == ["warned", "uploads_stopped", "files_deleted"]
        assert climb(now=ELEVENTH + 91 * DAY) == 0

    def test_warns_whoever_was_deactivated_once_they_are_back(
        self, occupied: Asset, pass_days: Callable[..., None], mailoutbox: list[Any]
    ) -> None:
        User.objects.update(is_active=False)
        pass_days(1)
        User.objects.update(is_active=True)
        assert mailoutbox == []
        pass_days(3, first=1)
        assert [mail.subject for mail in mailoutbox] == ["Your SmartSpec Pro storage could not be paid"]
        assert steps() == [("warned", "03-11")]

    def test_warns_nobody_any_more_whose_arrears_are_paid(
        self, occupied: Asset, give: Callable[..., None], pass_days: Callable[..., None], mailoutbox: list[Any]
    ) -> None:
        User.objects.update(is_active=False)
        pass_days(1)
        User.objects.update(is_active=True)
        give("1", at=ELEVENTH)
        pass_days(3, first=1)
        assert mailoutbox == []


class TestAnAccountThatFails:
    """Alice's books were put back to an older state: what she owes was collected before, with another amount."""

    @pytest.fixture(autouse=True)
    def both(self, alice: Any, bob: Any, occupied: Asset, store: Store, pass_days: Callable[..., None]) -> None:
        store(50_000_000, user_id=bob.pk)
        pass_days(1)
        self.give(alice, "0.5", at=ELEVENTH)
        credits_services.charge(
            account_id=alice.pk, operation="storage", credits=Decimal("0.5"), idempotency_key="storage:arrears:0",
            now=ELEVENTH, partial=True,
        )  # fmt: skip

    def give(self, person: Any, credits: str, *, at: datetime) -> None:
        credits_services.grant(
            account_id=person.pk, kind="bonus", credits=Decimal(credits), source=f"test:{at}", now=at
        )

    def test_keeps_no_other_from_paying(self, alice: Any, bob: Any) -> None:
        for person in (alice, bob):
            self.give(person, "1", at=ELEVENTH + DAY)
        with pytest.raises(credits_services.AccountsFailed, match="failed in 1 account"):
            services.collect_arrears(now=ELEVENTH + DAY)
        assert StorageAccount.objects.get(unpaid_since__isnull=False).user_id == alice.pk

    def test_keeps_no_other_from_the_next_step_and_its_mail(
        self, bob: Any, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True), pytest.raises(credits_services.AccountsFailed):
            services.climb_ladder(now=ELEVENTH + 8 * DAY)
        assert StorageAccount.objects.get(step="uploads_stopped").user_id == bob.pk
        assert mailoutbox[-1].to == [bob.email]

    def test_is_told_by_the_task_that_bills(self, alice: Any, set_clock: Callable[[datetime], None]) -> None:
        set_clock(ELEVENTH + DAY)
        with pytest.raises(credits_services.AccountsFailed, match="storage of 1 account"):
            tasks.bill_storage(timestamp=0)


class TestDeletion:
    """The last step of the ladder, which takes a while."""

    @pytest.fixture(autouse=True)
    def unpaid(self, many: None, pass_days: Callable[..., None]) -> None:
        pass_days(60)

    def test_ends_as_soon_as_somebody_pays(
        self, announce: Announce, give: Callable[..., None], settings: Any, usage: Callable[..., Any]
    ) -> None:
        due = ELEVENTH + 60 * DAY

        def pay() -> None:
            give("1", at=due)
            assert services.collect_arrears(now=due) == 1
            announce(now=due)

        outage.happen_first.append(pay)
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.linger"
        climb(now=due)
        assert Asset.objects.filter(status="stored").count() == 1
        assert Asset.objects.filter(status="uploading").count() == 1
        assert steps()[-2:] == [("files_deleted", "05-10"), ("paid", "05-10")]
        climb(now=due + timedelta(hours=1))
        assert Asset.objects.filter(status="stored").count() == 1

    def test_is_on_record_and_goes_on_by_itself_after_an_outage(
        self, pass_days: Callable[..., None], settings: Any, mailoutbox: list[Any]
    ) -> None:
        transport = settings.R2_SANDBOX_TRANSPORT
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.refuse"
        with pytest.raises(credits_services.AccountsFailed):
            pass_days(61, first=60)
        assert steps()[-1] == ("files_deleted", "05-10")
        assert mailoutbox[-1].subject == "Your files at SmartSpec Pro were deleted"
        assert Asset.objects.filter(status="stored").count() == 1
        settings.R2_SANDBOX_TRANSPORT = transport
        assert climb(now=ELEVENTH + 60 * DAY + timedelta(hours=1)) == 0
        assert not Asset.objects.filter(status="stored").exists()
        assert [kind for kind, _ in steps()] == ["warned", "uploads_stopped", "files_deleted"]

    def test_collects_before_it_begins_from_whoever_has_just_bought_credits(self, give: Callable[..., None]) -> None:
        due = ELEVENTH + 60 * DAY
        assert services.climb_ladder(now=due) == 1
        give("1000", at=due)
        assert services.delete_unpaid(now=due + timedelta(minutes=1)) == 0
        assert Asset.objects.filter(status="stored").count() == MANY
        assert (steps()[-1], arrears()) == (("paid", "05-10"), 0)

    def test_collects_between_goes_from_whoever_buys_credits_meanwhile(
        self, give: Callable[..., None], settings: Any
    ) -> None:
        outage.happen_first.append(lambda: give("1", at=ELEVENTH + 60 * DAY))
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.linger"
        climb(now=ELEVENTH + 60 * DAY)
        assert Asset.objects.filter(status="stored").count() == 1
        assert steps()[-2:] == [("files_deleted", "05-10"), ("paid", "05-10")]

    def test_spares_whoever_can_pay_just_before(self, give: Callable[..., None]) -> None:
        give("1", at=ELEVENTH + 60 * DAY)
        assert climb(now=ELEVENTH + 60 * DAY) == 0
        assert Asset.objects.filter(status="stored").count() == MANY
