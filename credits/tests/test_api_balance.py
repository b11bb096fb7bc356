"""GET /api/credits/balance."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import services
from smartspec import clock

BALANCE = "/api/credits/balance"


@pytest.fixture(autouse=True)
def bought_credits(alice: Any) -> None:
    """Alice has bought 100 credits."""
    services.grant(account_id=alice.id, kind="purchase", credits=Decimal(100), source="purchase:1", now=clock.now())


class TestBalance:
    def test_adds_up(self, alice: Any, alice_client: APIClient) -> None:
        spend = {"account_id": alice.id, "operation": "image_generation", "reference_id": "job", "now": clock.now()}
        held = services.place_hold(**spend, idempotency_key="1")
        services.place_hold(**spend, quantity=2, idempotency_key="2")
        services.capture_hold(hold_id=held.id, now=clock.now())
        body = alice_client.get(BALANCE).json()
        assert body["total_credits"] == 100
        assert body["used_credits"] == 1
        assert body["reserved_credits"] == 2
        assert body["available_credits"] == 97
        assert body["debt_credits"] == 0

    def test_names_the_plan_and_its_allowance(self, alice_client: APIClient) -> None:
        body = alice_client.get(BALANCE).json()
        assert body["subscription_tier"] == "free"
        assert body["monthly_allowance"] == 10
        assert body["allowance_period_start"].endswith("Z")
        assert body["allowance_resets_at"] > body["allowance_period_start"]
        assert body["low_balance"] is False

    def test_prints_credits_as_exact_numbers(self, alice: Any, alice_client: APIClient) -> None:
        services.grant(
            account_id=alice.id, kind="bonus", credits=Decimal("12345678.000001"), source="bonus:1", now=clock.now()
        )
        assert b'"available_credits":12345778.000001' in alice_client.get(BALANCE).content.replace(b" ", b"")

    def test_tells_what_ends_within_a_week(self, alice: Any, alice_client: APIClient) -> None:
        ends_at = (clock.now() + timedelta(days=3)).replace(microsecond=0)
        services.grant(
            account_id=alice.id, kind="bonus", credits=Decimal(7), source="bonus:1", now=clock.now(), expires_at=ends_at
        )
        assert alice_client.get(BALANCE).json()["expires_soon"] == [
            {"credits": 7, "expires_at": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"}
        ]

    def test_is_empty_for_somebody_who_has_nothing(self, bob_client: APIClient) -> None:
        body = bob_client.get(BALANCE).json()
        assert body["total_credits"] == body["available_credits"] == 0
        assert body["low_balance"] is True
        assert body["expires_soon"] == []


class TestPastBalance:
    def test_is_what_it_was_then(self, alice: Any, alice_client: APIClient) -> None:
        assert alice_client.get(BALANCE, {"at": "2025-10-03T00:00:00Z"}).json() == {
            "at": "2025-10-03T00:00:00Z",
            "balance_credits": 0,
        }
        assert alice_client.get(BALANCE, {"at": "2500-01-01T00:00:00Z"}).json()["balance_credits"] == 100

    @pytest.mark.parametrize(
        "at", ["yesterday", "2026-10-03T00:00:00", "2026-13-01", "0001-01-01T00:00:00Z", "9999-12-31"]
    )
    def test_needs_a_moment(self, alice_client: APIClient, at: str) -> None:
        answer = alice_client.get(BALANCE, {"at": at})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "at"
