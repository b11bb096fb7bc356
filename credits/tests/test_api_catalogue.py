"""GET /api/credits/plans and rates, POST /api/credits/quote."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import services
from smartspec import clock

PLANS = "/api/credits/plans"
RATES = "/api/credits/rates"
QUOTE = "/api/credits/quote"


@pytest.mark.django_db
class TestPlans:
    def test_are_public_and_exactly_these(self, anonymous_client: APIClient) -> None:
        plans = anonymous_client.get(PLANS).json()["plans"]
        names = ("id", "name", "display_name", "price_monthly", "price_yearly", "monthly_credits", "max_storage_mb")
        assert [tuple(plan[name] for name in names) for plan in plans] == [
            ("free", "free", "Free", 0, 0, 10, 100),
            ("pro", "pro", "Pro", 29, 290, 500, 5_000),
            ("enterprise", "enterprise", "Enterprise", 199, 1_990, 5_000, 50_000),
        ]
        assert {plan["currency"] for plan in plans} == {"usd"}
        assert {plan["bonus_credits"] for plan in plans} == {0}
        assert [plan["is_popular"] for plan in plans].count(True) == 1
        assert plans[0]["features"] == ["image_generation", "basic_support"]
        assert all(plan["description"] for plan in plans)

    def test_stay_public_whoever_asks(self, worker_client: APIClient) -> None:
        assert worker_client.get(PLANS).status_code == 200
        assert APIClient(HTTP_AUTHORIZATION="Bearer long-ended").get(PLANS).status_code == 200


@pytest.mark.django_db
class TestRates:
    def test_are_public_and_exactly_these(self, anonymous_client: APIClient) -> None:
        rates = anonymous_client.get(RATES).json()["rates"]
        assert [(rate["operation"], rate["base_credits"], rate["model_id"]) for rate in rates] == [
            ("image_generation", 1, ""),
            ("video_generation", 5, ""),
            ("audio_generation", 0.5, ""),
            ("storage", 0.01, ""),
        ]
        hd, four_k = rates[0]["modifiers"]
        assert (hd["field"], hd["equals"], hd["percent"]) == ("quality", "hd", 50)
        assert (four_k["equals"], four_k["percent"]) == ("4k", 100)
        (long,) = rates[1]["modifiers"]
        assert (long["field"], long["above"], long["percent"]) == ("duration_seconds", 5, 100)
        assert all(rate["effective_from"].endswith("Z") for rate in rates)


@pytest.mark.usefixtures("alice")
class TestQuote:
    @pytest.mark.parametrize(
        ("job", "credits"),
        [
            ({"operation": "image_generation"}, 1),
            ({"operation": "image_generation", "quality": "hd", "quantity": 2}, 3),
            ({"operation": "image_generation", "quality": "4k"}, 2),
            ({"operation": "video_generation", "duration_seconds": 5}, 5),
            ({"operation": "video_generation", "duration_seconds": 5.5, "model_id": "veo"}, 10),
            ({"operation": "audio_generation", "duration_seconds": 31}, 1),
            ({"operation": "image_generation", "quality": None, "model_id": None, "duration_seconds": None}, 1),
        ],
    )
    def test_adds_up(self, alice_client: APIClient, job: dict[str, Any], credits: float) -> None:
        answer = alice_client.post(QUOTE, job)
        assert answer.status_code == 200
        body = answer.json()
        assert body["credits"] == credits == sum(line["credits"] for line in body["breakdown"])
        assert body["affordable"] is False
        assert body["available_credits"] == 0

    def test_tells_what_can_be_afforded(self, alice: Any, alice_client: APIClient) -> None:
        services.grant(account_id=alice.id, kind="purchase", credits=Decimal(1), source="purchase:1", now=clock.now())
        body = alice_client.post(QUOTE, {"operation": "image_generation"}).json()
        assert (body["affordable"], body["available_credits"]) == (True, 1)
        services.freeze(account_id=alice.id, cause="staff", now=clock.now())
        body = alice_client.post(QUOTE, {"operation": "image_generation"}).json()
        assert (body["affordable"], body["available_credits"]) == (False, 1)

    @pytest.mark.parametrize(
        ("job", "field"),
        [
            ({}, "operation"),
            ({"operation": "mind_reading"}, "operation"),
            ({"operation": "image_generation", "quality": "8k"}, "quality"),
            ({"operation": "video_generation", "quality": "hd"}, "quality"),
            ({"operation": "image_generation", "duration_seconds": 5}, "duration_seconds"),
            ({"operation": "audio_generation"}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": -1}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": 0}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": True}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": 1e9}, "duration_seconds"),
            ({"operation": "image_generation", "quantity": 0}, "quantity"),
            ({"operation": "image_generation", "quantity": 10_000}, "quantity"),
        ],
    )
    def test_names_a_bad_field(self, alice_client: APIClient, job: dict[str, Any], field: str) -> None:
        answer = alice_client.post(QUOTE, job)
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    def test_knows_no_price_for_storage(self, alice_client: APIClient) -> None:
        assert alice_client.post(QUOTE, {"operation": "storage"}).status_code == 422
