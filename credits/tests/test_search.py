"""Search in a history so long that its indexes answer."""

import itertools
import tracemalloc
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from credits import ids, selectors
from credits.selectors import TransactionFilter, search

LENGTH = 40_000
WORDS_EVERY = 500


@pytest.fixture
def long_history(alice: Any, request: pytest.FixtureRequest) -> UUID:
    """40,000 entries of usage, every twentieth an adjustment; only what a history shows is true."""
    request.node.add_marker(pytest.mark.broken_books)
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_open_account(%s, '2026-01-01')", [alice.pk])
        cursor.execute(
            """
            INSERT INTO credits_entry (account_id, number, entry_type, delta_credits, balance_after, type_number,
              type_credits_after, hold_number, reference_type, reference_id, model_id, description, created_at)
            SELECT %(account)s, i, CASE WHEN i %% 20 = 0 THEN 'adjustment' ELSE 'usage' END, -1, -i,
                   CASE WHEN i %% 20 = 0 THEN i / 20 ELSE i - i / 20 END, 0,
                   CASE WHEN i %% 20 > 0 THEN i - i / 20 END, '', CASE WHEN i %% 20 > 0 THEN 'job-' || i ELSE '' END,
                   CASE WHEN i %% 7001 = 1 THEN 'Rare' WHEN i %% 20 > 0 THEN 'flux' ELSE '' END,
                   CASE WHEN i %% %(every)s = 0 THEN 'Sorry for ticket ' || i ELSE 'Image generation' END,
                   timestamptz '2026-01-01' + i * interval '1 minute'
              FROM generate_series(1, %(length)s) i
            """,
            {"account": alice.pk, "length": LENGTH, "every": WORDS_EVERY},
        )
        cursor.execute(
            "INSERT INTO credits_hold (account_id, number, operation, model_id, credits, captured, refunded, repaid,"
            " status, high_priority, lot_numbers, lot_credits, reference_id, available_after, capture_entry,"
            " created_at, expires_at) SELECT account_id, hold_number, 'image_generation', '', 1, 1, 0, 0, 'captured',"
            " false, '{1}', '{1}', reference_id, 0, number, created_at, created_at FROM credits_entry"
            " WHERE hold_number IS NOT NULL"
        )
        cursor.execute("UPDATE credits_account SET entry_count = %s", [LENGTH])
        cursor.execute(
            "INSERT INTO credits_entrytotal (account_id, entry_type, entries, credits)"
            " SELECT account_id, entry_type, count(*), sum(delta_credits) FROM credits_entry GROUP BY 1, 2"
        )
        cursor.execute("ANALYZE credits_entry")
    return alice.pk


def find(account_id: UUID, term: str, entry_type: str | None = None) -> selectors.TransactionPage:
    return selectors.list_transactions(filter=TransactionFilter(account_id, entry_type, search=term), limit=100)


class TestExport:
    def test_takes_no_more_memory_for_more_entries(self, long_history: UUID) -> None:
        def peak(length: int) -> int:
            tracemalloc.start()
            entries = selectors.iterate_transactions(filter=TransactionFilter(long_history))
            assert sum(1 for _ in itertools.islice(entries, length)) == length
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return most

        peak(1000)
        assert peak(8000) < 1.5 * peak(2000)


class TestLongHistory:
    def test_is_searched_by_references_models_words_and_ids(self, long_history: UUID) -> None:
        everything = range(LENGTH, 0, -1)
        expected = {
            "job-3999": [n for n in everything if n % 20 and str(n).startswith("3999")],
            "JOB-7": [n for n in everything if n % 20 and str(n).startswith("7")],
            "rar": [n for n in everything if n % 7001 == 1],
            "ticket": [n for n in everything if n % WORDS_EVERY == 0],
            "TICKET sorry": [n for n in everything if n % WORDS_EVERY == 0],
            "tick": [],
            "12000": [12_000],
            "-": [],
            ids.entry_id(long_history, 15): [n for n in everything if str(n).startswith("15")],
            ids.hold_id(long_history, 9500): [10_000 - 1],
        }
        for term, numbers in expected.items():
            page = find(long_history, term)
            assert ([entry.number for entry in page.transactions], page.total) == (numbers[:100], len(numbers)), term

    def test_is_searched_inside_a_type(self, long_history: UUID) -> None:
        assert find(long_history, "ticket", "usage").total == 0
        assert find(long_history, "ticket", "adjustment").total == LENGTH // WORDS_EVERY
        assert [entry.number for entry in find(long_history, "job-20001", "usage").transactions] == [20_001]

    @pytest.mark.parametrize("term", ["flux", "image", "txn_", "hold_"])
    def test_counts_no_further_than_ten_thousand(self, long_history: UUID, term: str) -> None:
        page = find(long_history, term)
        assert page.total == search.MAXIMUM_SEARCH_TOTAL
        assert page.transactions[0].number >= LENGTH - 1

    def test_reads_on_where_an_index_names_too_many(self, long_history: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_up = [find(long_history, term).total for term in ("ticket", "job-1", "rare")]
        monkeypatch.setattr(search, "LARGEST_LOOK_UP", 2)
        assert [find(long_history, term).total for term in ("ticket", "job-1", "rare")] == looked_up

    @pytest.mark.parametrize(
        ("term", "index"),
        [
            ("job-77", "credits_entry_by_reference"),
            ("rare", "credits_entry_by_model"),
            ("ticket", "credits_entry_by_words"),
        ],
    )
    def test_asks_an_index(self, long_history: UUID, term: str, index: str, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(10) as queries:
            find(long_history, term)
        with connection.cursor() as cursor:
            plans = []
            for query in queries.captured_queries:
                cursor.execute("EXPLAIN " + query["sql"])
                plans += [line for (line,) in cursor.fetchall()]
        assert any(index in line for line in plans)
