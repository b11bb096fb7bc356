"""GET /api/credits/usage/summary, usage/daily and usage/models."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import selectors, services
from smartspec.testing import SetClock

SUMMARY = "/api/credits/usage/summary"
DAILY = "/api/credits/usage/daily"
MODELS = "/api/credits/usage/models"


@pytest.fixture(autouse=True)
def usage(alice: Any, now: datetime, set_clock: SetClock) -> None:
    """Alice, on Pro since noon of 5 February, spent 2 + 1 on images and 5 on a video; 3 of an older job came back."""
    anchor_at = datetime(2026, 2, 5, 12, 0, tzinfo=UTC)
    services.set_plan(
        account_id=alice.id, plan="pro", anchor_at=anchor_at, paid_until=None, source="sub_1", now=anchor_at
    )
    services.grant(account_id=alice.id, kind="purchase", credits=Decimal(50), source="purchase:1", now=anchor_at)
    spend(alice, datetime(2026, 2, 20, 8, 0, tzinfo=UTC), "image_generation", 4, "sdxl")
    spend(alice, datetime(2026, 3, 8, 8, 0, tzinfo=UTC), "image_generation", 2, "flux")
    spend(alice, datetime(2026, 3, 10, 8, 0, tzinfo=UTC), "video_generation", 1, "veo")
    spend(alice, datetime(2026, 3, 10, 9, 0, tzinfo=UTC), "image_generation", 1, "")
    set_clock(now)


def spend(user: Any, at: datetime, operation: str, quantity: int, model_id: str) -> str:
    hold = services.place_hold(
        account_id=user.id,
        operation=operation,
        quantity=quantity,
        model_id=model_id,
        duration_seconds=30 if operation == "audio_generation" else None,
        reference_id="job",
        idempotency_key=str(at),
        now=at,
    )
    services.capture_hold(hold_id=hold.id, now=at)
    return hold.id


@pytest.fixture
def client(usage: None, alice_client: APIClient) -> APIClient:
    return alice_client


class TestSummary:
    def test_is_of_this_allowance_period(self, client: APIClient) -> None:
        assert client.get(SUMMARY).json() == {
            "summary": {
                "image_generation": {"total_credits": 3, "count": 2},
                "video_generation": {"total_credits": 5, "count": 1},
            },
            "period_start": "2026-03-05T12:00:00Z",
            "period_end": "2026-04-05T12:00:00Z",
        }

    def test_is_what_the_balance_calls_used(self, client: APIClient, alice: Any, now: datetime) -> None:
        start = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
        spend(alice, now, "audio_generation", 1, "eleven")
        summary = client.get(SUMMARY).json()["summary"]
        assert sum(found["total_credits"] for found in summary.values()) == 8.5
        assert selectors.get_balance(account_id=alice.id, now=now).used == Decimal("8.5")
        assert selectors.usage_since(account_id=alice.id, since=start) == [
            selectors.UsageSummary("audio_generation", Decimal("0.5"), 1),
            selectors.UsageSummary("image_generation", Decimal(3), 2),
            selectors.UsageSummary("video_generation", Decimal(5), 1),
        ]

    def test_cuts_the_day_on_which_the_period_began(self, client: APIClient, alice: Any) -> None:
        noon = datetime(2026, 4, 5, 12, 0, tzinfo=UTC)
        before = spend(alice, noon - timedelta(microseconds=1), "image_generation", 1, "")
        spend(alice, noon, "image_generation", 2, "")
        refunded = spend(alice, noon + timedelta(hours=1), "image_generation", 4, "")
        spend(alice, noon + timedelta(days=2), "image_generation", 8, "")
        for hold_id in (before, refunded):
            services.refund_capture(hold_id=hold_id, reason="", now=noon + timedelta(days=2))
        used = selectors.usage_since(account_id=alice.id, since=noon)
        assert used == [selectors.UsageSummary("image_generation", Decimal(10), 3)]
        later = selectors.usage_since(account_id=alice.id, since=noon + timedelta(minutes=30))
        assert later == [selectors.UsageSummary("image_generation", Decimal(8), 2)]
        assert selectors.usage_since(account_id=alice.id, since=noon + timedelta(days=3)) == []
        assert selectors.get_balance(account_id=alice.id, now=noon + timedelta(days=3)).used == 10

    def test_is_of_the_days_asked_for(self, client: APIClient) -> None:
        assert client.get(SUMMARY, {"date_from": "2026-02-20", "date_to": "2026-03-08"}).json() == {
            "summary": {"image_generation": {"total_credits": 6, "count": 2}},
            "period_start": "2026-02-20T00:00:00Z",
            "period_end": "2026-03-09T00:00:00Z",
        }

    @pytest.mark.parametrize(
        ("date_from", "date_to", "spent"),
        [
            ("2026-03-08T08:00:00Z", "2026-03-10T08:00:00Z", {"image_generation": (2, 1)}),
            ("2026-03-08T08:00:00.000001Z", "2026-03-10T08:00:00.000001Z", {"video_generation": (5, 1)}),
            ("2026-03-10T08:30:00Z", "2026-03-10T09:30:00Z", {"image_generation": (1, 1)}),
            ("2026-03-10T06:00:00Z", "2026-03-10T07:00:00Z", {}),
            ("2026-03-10T15:30:00+07:00", "2026-03-11", {"image_generation": (1, 1)}),
            ("2026-03-09", "2026-03-10T08:30:00Z", {"video_generation": (5, 1)}),
        ],
    )
    def test_is_of_the_moments_asked_for(
        self, client: APIClient, date_from: str, date_to: str, spent: dict[str, tuple[float, int]]
    ) -> None:
        """The sums are of the period that the answer names, also where it begins or ends within a day."""
        summary = client.get(SUMMARY, {"date_from": date_from, "date_to": date_to}).json()["summary"]
        assert {name: (found["total_credits"], found["count"]) for name, found in summary.items()} == spent

    def test_ends_now_unless_told(self, client: APIClient, set_clock: SetClock) -> None:
        set_clock(datetime(2026, 3, 10, 8, 30, tzinfo=UTC))
        body = client.get(SUMMARY, {"date_from": "2026-03-10"}).json()
        assert (body["period_end"][:16], [*body["summary"]]) == ("2026-03-10T08:30", ["video_generation"])

    def test_begins_with_the_account_unless_told(self, client: APIClient) -> None:
        assert client.get(SUMMARY, {"date_to": "2026-03-01"}).json()["summary"] == {
            "image_generation": {"total_credits": 4, "count": 1}
        }

    def test_is_empty_for_others(self, bob_client: APIClient) -> None:
        assert bob_client.get(SUMMARY).json()["summary"] == {}


class TestDaily:
    def test_shows_every_day_oldest_first(self, client: APIClient) -> None:
        assert client.get(DAILY, {"days": 4}).json() == {
            "data": [
                {"date": "2026-03-07", "credits": 0, "count": 0},
                {"date": "2026-03-08", "credits": 2, "count": 1},
                {"date": "2026-03-09", "credits": 0, "count": 0},
                {"date": "2026-03-10", "credits": 6, "count": 2},
            ],
            "days": 4,
        }

    def test_shows_thirty_days_unless_told(self, client: APIClient) -> None:
        body = client.get(DAILY).json()
        assert body["days"] == len(body["data"]) == 30
        assert datetime.fromisoformat(body["data"][0]["date"]) == datetime(2026, 3, 10) - timedelta(days=29)  # noqa: DTZ001


class TestModels:
    def test_shows_the_dearest_first(self, client: APIClient) -> None:
        assert client.get(MODELS).json() == {
            "data": [
                {"model_id": "veo", "total_credits": 5, "count": 1},
                {"model_id": "sdxl", "total_credits": 4, "count": 1},
                {"model_id": "flux", "total_credits": 2, "count": 1},
                {"model_id": "", "total_credits": 1, "count": 1},
            ],
            "days": 30,
        }


@pytest.mark.parametrize("url", [DAILY, MODELS])
class TestDays:
    @pytest.mark.parametrize("days", ["1", "365", ""])
    def test_are_1_to_365(self, client: APIClient, url: str, days: str) -> None:
        assert client.get(url, {"days": days}).status_code == 200

    @pytest.mark.parametrize("days", ["0", "-1", "366", "1.5", "many"])
    def test_are_nothing_else(self, client: APIClient, url: str, days: str) -> None:
        answer = client.get(url, {"days": days})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "days"
