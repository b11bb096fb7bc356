from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from credits import ids, selectors, services
from credits.selectors import TransactionFilter
from credits.tests.conftest import Give, Place

DAY = timedelta(days=1)


@pytest.fixture
def busy(account_id: UUID, give: Give, place: Place, now: datetime) -> UUID:
    """Ten days: a purchase of 100 on the first, then a job of 1, 2, 3… credits every day; the fifth is refunded."""
    give(100, kind="purchase", description="Standard package", reference_type="purchase", reference_id="pur_77")
    for n in range(1, 11):
        at = now + n * DAY
        model = "flux" if n % 2 else "sdxl"
        hold = place(n, now=at, model_id=model, reference_id=f"job-{n}")
        services.capture_hold(hold_id=hold.id, now=at)
        if n == 5:
            services.refund_capture(hold_id=hold.id, reason="Empty picture", now=at)
    return account_id


def numbers(page: selectors.TransactionPage) -> list[int]:
    return [entry.number for entry in page.transactions]


class TestPages:
    def test_newest_first(self, busy: UUID) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy), limit=5)
        assert numbers(page) == [12, 11, 10, 9, 8]
        assert (page.total, page.pages, page.page, page.limit) == (12, 3, 1, 5)

    def test_the_last_page_has_no_next(self, busy: UUID) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy), limit=5, page=3)
        assert (numbers(page), page.next_cursor) == ([2, 1], None)

    def test_beyond_the_last_is_empty(self, busy: UUID) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy), limit=5, page=4)
        assert (numbers(page), page.total, page.next_cursor) == ([], 12, None)

    def test_a_cursor_goes_on_where_the_page_ended(self, busy: UUID, give: Give, now: datetime) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy), limit=5)
        give(1, now=now + 20 * DAY)
        after = selectors.list_transactions(filter=TransactionFilter(busy), limit=5, cursor=page.next_cursor)
        assert numbers(after) == [7, 6, 5, 4, 3]

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1e3", "9" * 30])
    def test_a_cursor_of_nobody_begins_at_the_start(self, busy: UUID, cursor: str) -> None:
        assert numbers(selectors.list_transactions(filter=TransactionFilter(busy), limit=1, cursor=cursor)) == [12]

    def test_of_one_type(self, busy: UUID) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy, "usage"), limit=4, page=2)
        assert [entry.delta_credits for entry in page.transactions] == [-6, -5, -4, -3]
        assert (page.total, page.pages) == (10, 3)

    def test_of_a_span_of_time(self, busy: UUID, now: datetime) -> None:
        span = TransactionFilter(busy, date_from=now + 4 * DAY, date_to=now + 6 * DAY)
        page = selectors.list_transactions(filter=span, limit=10)
        assert [(entry.entry_type, entry.delta_credits) for entry in page.transactions] == [
            ("refund", 5),
            ("usage", -5),
            ("usage", -4),
        ]
        assert page.total == 3

    def test_of_one_type_in_a_span_of_time(self, busy: UUID, now: datetime) -> None:
        span = TransactionFilter(busy, "usage", now + 4 * DAY, now + 8 * DAY)
        page = selectors.list_transactions(filter=span, limit=3)
        assert [entry.delta_credits for entry in page.transactions] == [-7, -6, -5]
        assert page.total == 4
        rest = selectors.list_transactions(filter=span, limit=3, cursor=page.next_cursor)
        assert [entry.delta_credits for entry in rest.transactions] == [-4]

    def test_of_an_account_that_nothing_has_touched(self, account_id: UUID) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(account_id), limit=5)
        assert (page.transactions, page.total, page.pages) == ([], 0, 0)

    def test_takes_two_queries_however_deep(self, busy: UUID, django_assert_num_queries: Callable[[int], Any]) -> None:
        for page in (1, 3):
            with django_assert_num_queries(2):
                selectors.list_transactions(filter=TransactionFilter(busy), limit=5, page=page)


class TestSearch:
    @pytest.mark.parametrize(
        ("term", "found"),
        [
            ("job-1", [12, 2]),
            ("JOB-10", [12]),
            ("fl", [11, 9, 7, 6, 4, 2]),
            ("package", [1]),
            ("standard PACKAGE", [1]),
            ("pack", []),
            ("pur_", [1]),
            ("empty", [7]),
            ("100%", []),
            ("'; --", []),
        ],
    )
    def test_matches_starts_of_references_and_models_and_whole_words(
        self, busy: UUID, term: str, found: list[int]
    ) -> None:
        page = selectors.list_transactions(filter=TransactionFilter(busy, search=term), limit=20)
        assert numbers(page) == found
        assert page.total == len(found)

    def test_matches_starts_of_ids(self, busy: UUID) -> None:
        def search(term: str) -> list[int]:
            return numbers(selectors.list_transactions(filter=TransactionFilter(busy, search=term), limit=20))

        assert search(ids.entry_id(busy, 1)) == [12, 11, 10, 1]
        assert search(ids.entry_id(busy, 7)) == [7]
        assert len(search(ids.entry_id(busy, 7)[:12])) == 12
        assert search(ids.hold_id(busy, 5)) == [7, 6]

    def test_pages_and_cursors(self, busy: UUID) -> None:
        search = TransactionFilter(busy, "usage", search="image")
        first = selectors.list_transactions(filter=search, limit=4)
        second = selectors.list_transactions(filter=search, limit=4, cursor=first.next_cursor)
        assert numbers(second) == numbers(selectors.list_transactions(filter=search, limit=4, page=2))
        assert (first.total, first.pages, second.page) == (10, 3, 2)


class TestExport:
    def test_is_the_whole_history(self, busy: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("credits.selectors.history.EXPORT_CHUNK", 5)
        assert [entry.number for entry in selectors.iterate_transactions(filter=TransactionFilter(busy))] == [
            *range(12, 0, -1)
        ]

    def test_takes_the_same_filters(self, busy: UUID, now: datetime) -> None:
        span = TransactionFilter(busy, "usage", now + 4 * DAY, search="sdxl")
        assert [entry.delta_credits for entry in selectors.iterate_transactions(filter=span)] == [-10, -8, -6, -4]


class TestSummary:
    def test_of_everything(self, busy: UUID) -> None:
        assert selectors.summarise_transactions(account_id=busy) == [
            selectors.TypeSummary("purchase", Decimal(100), 1, Decimal(100)),
            selectors.TypeSummary("refund", Decimal(5), 1, Decimal(5)),
            selectors.TypeSummary("usage", Decimal(-55), 10, Decimal(0)),
        ]

    def test_of_a_span_of_time(self, busy: UUID, now: datetime) -> None:
        found = selectors.summarise_transactions(account_id=busy, date_from=now + 9 * DAY, date_to=now + 30 * DAY)
        assert found == [selectors.TypeSummary("usage", Decimal(-19), 2, Decimal(0))]


class TestBalanceAt:
    def test_is_what_it_was_then(self, busy: UUID, now: datetime) -> None:
        for moment, balance in [
            (now - DAY, 0),
            (now, 100),
            (now + DAY - timedelta(microseconds=1), 100),
            (now + DAY, 99),
            (now + 4 * DAY, 90),
            (now + 5 * DAY, 90),
            (now + 100 * DAY, 50),
        ]:
            assert selectors.balance_at(account_id=busy, at=moment) == balance

    def test_of_an_account_that_nothing_has_touched_is_zero(self, account_id: UUID, now: datetime) -> None:
        assert selectors.balance_at(account_id=account_id, at=now) == 0


class TestUsage:
    def test_by_operation(self, busy: UUID, now: datetime) -> None:
        days = {"since": datetime(2026, 3, 11, tzinfo=UTC), "until": datetime(2026, 3, 16, tzinfo=UTC)}
        found = selectors.usage_since(account_id=busy, **days)
        assert found == [selectors.UsageSummary("image_generation", Decimal(10), 5)]

    def test_by_day_shows_empty_days_too(self, busy: UUID, now: datetime) -> None:
        found = selectors.usage_by_day(account_id=busy, days=8, now=now + 6 * DAY)
        assert [(day.date.day, day.credits, day.count) for day in found] == [
            (9, 0, 0),
            (10, 0, 0),
            (11, 1, 1),
            (12, 2, 1),
            (13, 3, 1),
            (14, 4, 1),
            (15, 0, 1),
            (16, 6, 1),
        ]

    def test_by_model_shows_the_dearest_first(self, busy: UUID, now: datetime) -> None:
        found = selectors.usage_by_model(account_id=busy, days=30, now=now + 10 * DAY)
        assert [(usage.model_id, usage.credits, usage.count) for usage in found] == [("sdxl", 30, 5), ("flux", 20, 5)]


class TestBalance:
    def test_of_an_account_that_nothing_has_touched(self, account_id: UUID, now: datetime) -> None:
        balance = selectors.get_balance(account_id=account_id, now=now)
        assert (balance.total, balance.available, balance.used, balance.plan) == (0, 0, 0, "free")
        assert balance.monthly_allowance == 10
        assert balance.low_balance

    def test_adds_up(self, busy: UUID, place: Place, now: datetime) -> None:
        later = now + 11 * DAY
        place(7, now=later)
        balance = selectors.get_balance(account_id=busy, now=later)
        assert (balance.total, balance.used, balance.held, balance.available) == (100, 50, 7, 43)
        assert balance.available == balance.total - balance.used - balance.held

    def test_begins_a_new_period_by_itself(self, busy: UUID, now: datetime) -> None:
        balance = selectors.get_balance(account_id=busy, now=now + 40 * DAY)
        assert (balance.used, balance.total, balance.available) == (0, 50, 50)
        assert balance.period_start == datetime(2026, 4, 10, 12, tzinfo=UTC)

    def test_tells_what_ends_soon_the_allowance_aside(self, account_id: UUID, give: Give, now: datetime) -> None:
        services.give_allowances(account_id=account_id, now=now)
        give(3, expires_at=now + 35 * DAY)
        give(2, expires_at=now + 30 * DAY)
        give(1, expires_at=now + 50 * DAY)
        soon = selectors.get_balance(account_id=account_id, now=now + 28 * DAY).expires_soon
        assert [(lot.credits, lot.expires_at) for lot in soon] == [(2, now + 30 * DAY), (3, now + 35 * DAY)]

    def test_tells_what_ends_soon_of_other_plans_and_months(self, account_id: UUID, now: datetime) -> None:
        """Free's month goes on under a plan that begins; a month that was learned of late ends at a time of its own."""
        services.give_allowances(account_id=account_id, now=now)
        plan: dict[str, Any] = {"plan": "enterprise", "anchor_at": now - 31 * DAY, "source": "sub_1"}
        services.set_plan(account_id=account_id, paid_until=now + 300 * DAY, now=now + DAY, **plan)
        services.give_allowances(account_id=account_id, now=now + DAY)
        soon = selectors.get_balance(account_id=account_id, now=now + 26 * DAY).expires_soon
        assert [lot.credits for lot in soon] == [5000, 10]

    @pytest.mark.parametrize("days", [30, 31, 32])
    def test_does_not_tell_of_the_month_that_waits_for_its_renewal(
        self, account_id: UUID, now: datetime, days: int
    ) -> None:
        services.set_plan(
            account_id=account_id, plan="pro", anchor_at=now, paid_until=now + 31 * DAY, source="sub_1", now=now
        )
        services.give_allowances(account_id=account_id, now=now)
        balance = selectors.get_balance(account_id=account_id, now=now + days * DAY)
        assert (balance.available, balance.expires_soon) == (500, ())

    def test_is_low_under_a_fifth_of_the_allowance(self, account_id: UUID, give: Give, now: datetime) -> None:
        give("1.999999")
        assert selectors.get_balance(account_id=account_id, now=now).low_balance
        give("0.000001")
        assert not selectors.get_balance(account_id=account_id, now=now).low_balance

    def test_takes_two_queries(
        self, busy: UUID, now: datetime, django_assert_num_queries: Callable[[int], Any]
    ) -> None:
        selectors.list_plans()
        with django_assert_num_queries(2):
            selectors.get_balance(account_id=busy, now=now)

    def test_reckons_what_is_due_as_the_ledger_will(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10, kind="purchase", source="purchase:1", expires_at=now + timedelta(minutes=10))
        give(4, expires_at=now + timedelta(minutes=20))
        give(20)
        place(8)
        place(9, ttl_seconds=1800)
        services.claw_back(
            account_id=account_id,
            kind="purchase",
            source="purchase:1",
            credits=Decimal(10),
            idempotency_key="re_1",
            now=now,
        )
        reckoned = {}
        moments = [now + timedelta(minutes=n) for n in (5, 10, 12, 15, 20, 25, 30, 60, 60 * 24 * 2)]
        for moment in moments:
            balance = selectors.get_balance(account_id=account_id, now=moment)
            reckoned[moment] = (balance.available, balance.held, balance.debt)
        for moment in moments:
            services.expire(now=moment)
            account = selectors.find_open_account(account_id=account_id)
            assert account is not None
            assert (account.available, account.held, account.debt) == reckoned[moment]


class TestHolds:
    def test_one_that_is_past_its_time_is_not_open(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(10)
        first, second = place(1), place(1, ttl_seconds=3600)
        later = now + timedelta(minutes=20)
        assert [h.number for h in selectors.list_holds(account_id=account_id, now=now)] == [2, 1]
        assert [h.public_id for h in selectors.list_holds(account_id=account_id, now=later, status="open")] == [
            second.id
        ]
        assert [h.public_id for h in selectors.list_holds(account_id=account_id, now=later, status="expired")] == [
            first.id
        ]
        assert selectors.get_hold(hold_id=first.id) is not None
        assert selectors.get_hold(hold_id="nonsense") is None
