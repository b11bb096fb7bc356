"""GET /api/credits/transactions, its export and its summary."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import services
from smartspec import exports

TRANSACTIONS = "/api/credits/transactions"
EXPORT = f"{TRANSACTIONS}/export"
SUMMARY = f"{TRANSACTIONS}/summary"
FIRST_OF_MARCH = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def history(alice: Any) -> None:
    """Alice bought 100 credits on 1 March and got a bonus of 5, and made an image on each of the days 2 to 8."""
    opened = {"account_id": alice.id, "source": "purchase:1", "now": FIRST_OF_MARCH}
    services.grant(
        **opened, kind="purchase", credits=Decimal(100), description="Bought 100 credits", reference_id="cs_test_1"
    )
    services.grant(**opened, kind="bonus", credits=Decimal(5), description="=HYPERLINK(1)")
    for day in range(1, 8):
        at = FIRST_OF_MARCH + timedelta(days=day)
        hold = services.place_hold(
            account_id=alice.id,
            operation="image_generation",
            model_id="flux-pro" if day % 2 else "sdxl",
            reference_id=f"job-{day}",
            idempotency_key=str(day),
            now=at,
        )
        services.capture_hold(hold_id=hold.id, now=at)


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


class TestList:
    def test_shows_the_newest_first(self, alice_client: APIClient) -> None:
        body = alice_client.get(TRANSACTIONS).json()
        assert {name: body[name] for name in ("total", "pages", "page", "limit", "next_cursor")} == {
            "total": 9,
            "pages": 1,
            "page": 1,
            "limit": 20,
            "next_cursor": None,
        }
        newest, oldest = body["transactions"][0], body["transactions"][-1]
        assert newest == {
            "id": newest["id"],
            "transaction_type": "usage",
            "amount": -1,
            "balance_before": 99,
            "balance_after": 98,
            "reference_type": "image_generation",
            "reference_id": "job-7",
            "description": "Image generation",
            "model_id": "flux-pro",
            "created_at": "2026-03-08T09:00:00Z",
        }
        assert (oldest["transaction_type"], oldest["amount"], oldest["reference_id"]) == ("purchase", 100, "cs_test_1")

    def test_turns_pages_by_number_and_by_cursor(self, alice_client: APIClient) -> None:
        by_number = [alice_client.get(TRANSACTIONS, {"page": page, "limit": 4}).json() for page in (1, 2, 3, 4)]
        assert [len(body["transactions"]) for body in by_number] == [4, 4, 1, 0]
        assert {(body["total"], body["pages"]) for body in by_number} == {(9, 3)}
        by_cursor: list[Any] = []
        query: dict[str, Any] = {"limit": 4}
        while query.get("cursor", "") is not None:
            body = alice_client.get(TRANSACTIONS, query).json()
            by_cursor.append(body["transactions"])
            query["cursor"] = body["next_cursor"]
        assert by_cursor == [body["transactions"] for body in by_number[:3]]

    @pytest.mark.parametrize(
        ("query", "total"),
        [
            ({"type": "usage"}, 7),
            ({"type": "bonus"}, 1),
            ({"type": "refund"}, 0),
            ({"type": "all"}, 9),
            ({"type": "", "search": "", "date_from": "", "date_to": ""}, 9),
            ({"date_from": "2026-03-02"}, 7),
            ({"date_to": "2026-03-02"}, 3),
            ({"date_from": "2026-03-02", "date_to": "2026-03-02"}, 1),
            ({"date_from": "2026-03-02T09:00:01Z", "date_to": "2026-03-04T09:00:00Z"}, 1),
            ({"date_from": "2026-03-02T10:00:00+01:00", "type": "usage"}, 7),
            ({"search": "flux"}, 4),
            ({"search": "job-3"}, 1),
            ({"search": "cs_test"}, 1),
            ({"search": "bought"}, 1),
            ({"search": "ought"}, 0),
            ({"search": "%"}, 0),
            ({"search": "'; --"}, 0),
        ],
    )
    def test_filters(self, alice_client: APIClient, query: dict[str, str], total: int) -> None:
        body = alice_client.get(TRANSACTIONS, query).json()
        assert body["total"] == len(body["transactions"]) == total

    def test_finds_a_transaction_by_its_id(self, alice_client: APIClient) -> None:
        wanted = alice_client.get(TRANSACTIONS).json()["transactions"][2]
        assert alice_client.get(TRANSACTIONS, {"search": wanted["id"]}).json()["transactions"] == [wanted]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("page", "-1"),
            ("page", "x"),
            ("page", "9" * 30),
            ("limit", "101"),
            ("search", "a\x00b"),
            ("search", "x" * 201),
            ("date_from", "yesterday"),
            ("date_from", "2026-03-01T00:00:00"),
            ("date_to", "9999-12-31"),
            ("date_to", "0001-01-01"),
            ("cursor", "abc"),
        ],
    )
    def test_names_a_bad_parameter(self, alice_client: APIClient, field: str, value: str) -> None:
        answer = alice_client.get(TRANSACTIONS, {field: value})
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    def test_shows_nobody_elses(self, bob_client: APIClient) -> None:
        assert bob_client.get(TRANSACTIONS).json()["transactions"] == []
        assert "job-1" not in text(bob_client.get(EXPORT))
        assert bob_client.get(SUMMARY).json()["summary"] == {}


class TestExport:
    def test_writes_the_whole_history_as_csv(self, alice_client: APIClient) -> None:
        answer = alice_client.get(EXPORT, {"format": "csv"}, headers={"Accept": "text/csv"})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="smartspec-transactions-')
        rows = list(csv.DictReader(io.StringIO(text(answer))))
        assert len(rows) == 9
        assert list(rows[0]) == list(alice_client.get(TRANSACTIONS).json()["transactions"][0])
        assert (rows[0]["amount"], rows[0]["created_at"]) == ("-1", "2026-03-08T09:00:00Z")

    def test_writes_the_same_as_json(self, alice_client: APIClient) -> None:
        answer = alice_client.get(EXPORT, {"format": "json"})
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(text(answer)) == alice_client.get(TRANSACTIONS).json()["transactions"]

    def test_is_a_file_for_nobodys_history_too(self, bob_client: APIClient) -> None:
        assert json.loads(text(bob_client.get(EXPORT, {"format": "json"}))) == []
        assert text(bob_client.get(EXPORT)).startswith("id,transaction_type,")

    def test_takes_the_filters_of_the_list(self, alice_client: APIClient) -> None:
        query = {"format": "json", "type": "usage", "date_to": "2026-03-04", "search": "flux"}
        assert [row["reference_id"] for row in json.loads(text(alice_client.get(EXPORT, query)))] == ["job-3", "job-1"]

    def test_disarms_formulas(self, alice_client: APIClient) -> None:
        rows = list(csv.DictReader(io.StringIO(text(alice_client.get(EXPORT, {"type": "bonus"})))))
        assert rows[0]["description"] == "'=HYPERLINK(1)"

    def test_starts_before_it_has_read_anything(self, alice_client: APIClient, django_assert_num_queries: Any) -> None:
        answer: Any = alice_client.get(EXPORT)
        with django_assert_num_queries(0):
            assert next(iter(answer.streaming_content)).startswith(b"id,")

    def test_knows_two_formats(self, alice_client: APIClient) -> None:
        answer = alice_client.get(EXPORT, {"format": "xlsx"}, headers={"Accept": "text/csv"})
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"


class TestCells:
    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t1", "\r1", "  =1"])
    def test_cannot_run(self, cell: str) -> None:
        assert exports.disarmed(cell) == f"'{cell}"

    @pytest.mark.parametrize("part", [";", "; ", "\t", ",", "|", "\n", ';"'])
    def test_cannot_run_where_cells_are_parted_by_something_else(self, part: str) -> None:
        assert exports.disarmed(f"Bob{part}=1+1{part}x") == f"Bob{part}'=1+1{part}x"
        assert exports.disarmed(f"{part}=1+1").endswith(f"{part}'=1+1")

    @pytest.mark.parametrize(
        ("cell", "shown"), [("a=b", "a=b"), (Decimal("-1.5"), "-1.5"), (Decimal("0.000001"), "0.000001"), ("", "")]
    )
    def test_stay_what_they_are(self, cell: Any, shown: str) -> None:
        assert exports.disarmed(cell) == shown

    def test_come_in_chunks(self) -> None:
        """However long the history is, a chunk is a few hundred lines."""
        chunks = list(exports.write_csv(({"id": number} for number in range(1000)), ["id"]))
        assert max(chunk.count("\n") for chunk in chunks) == exports.ROWS_PER_CHUNK
        assert "".join(chunks).count("\n") == 1001


class TestSummary:
    def test_adds_up_by_type(self, alice_client: APIClient) -> None:
        body = alice_client.get(SUMMARY).json()
        assert body["summary"] == {
            "purchase": {"total": 100, "count": 1},
            "bonus": {"total": 5, "count": 1},
            "usage": {"total": -7, "count": 7},
        }
        assert body["period_start"] == "2026-03-01T09:00:00Z"
        assert body["period_end"] > "2026-03-08"

    def test_adds_up_a_range(self, alice_client: APIClient) -> None:
        body = alice_client.get(SUMMARY, {"date_from": "2026-03-02", "date_to": "2026-03-04"}).json()
        assert body == {
            "summary": {"usage": {"total": -3, "count": 3}},
            "period_start": "2026-03-02T00:00:00Z",
            "period_end": "2026-03-05T00:00:00Z",
        }

    def test_covers_ranges_that_are_open(self, alice_client: APIClient) -> None:
        before = alice_client.get(SUMMARY, {"date_to": "2020-01-01"}).json()
        assert before == {"summary": {}, "period_start": "2020-01-02T00:00:00Z", "period_end": "2020-01-02T00:00:00Z"}
        after = alice_client.get(SUMMARY, {"date_from": "2500-01-01"}).json()
        assert after == {"summary": {}, "period_start": "2500-01-01T00:00:00Z", "period_end": "2500-01-01T00:00:00Z"}
