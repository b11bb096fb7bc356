"""The OpenAPI document tells the truth about /api/credits: real answers validate against it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import services
from smartspec import clock
from smartspec.tests import openapi

CREDITS = "/api/credits"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.read_document()


def check(document: dict[str, Any], template: str, method: str, answer: Any, status: int) -> Any:
    return openapi.check(document, CREDITS + template, method, answer, status)


@pytest.fixture
def order(alice: Any) -> dict[str, Any]:
    """A job of 1 credit for Alice, who has 100, of which 5 end soon."""
    now = clock.now()
    services.grant(account_id=alice.id, kind="purchase", credits=Decimal(95), source="purchase:1", now=now)
    services.grant(
        account_id=alice.id, kind="bonus", credits=Decimal(5), source="b", now=now, expires_at=now + timedelta(days=2)
    )
    return {"user_id": str(alice.id), "operation": "image_generation", "reference_id": "job-1"}


class TestTheDocument:
    def test_is_valid_and_warns_of_nothing_in_credits(self) -> None:
        assert [message for message in openapi.read_warnings() if "credits" in message] == []

    def test_names_every_call_of_the_contract(self, document: dict[str, Any]) -> None:
        assert openapi.calls_of(document, CREDITS) == {
            "GET /balance",
            "GET /transactions",
            "GET /transactions/export",
            "GET /transactions/summary",
            "GET /usage/summary",
            "GET /usage/daily",
            "GET /usage/models",
            "GET /plans",
            "GET /rates",
            "POST /quote",
            "GET /holds",
            "POST /holds",
            "POST /holds/{hold_id}/capture",
            "POST /holds/{hold_id}/release",
            "POST /holds/{hold_id}/extend",
            "POST /holds/{hold_id}/refund",
            "POST /holds/batch",
            "POST /holds/batch/capture",
        }

    def test_asks_for_a_key_to_hold(self, document: dict[str, Any]) -> None:
        parameters = document["paths"][f"{CREDITS}/holds"]["post"]["parameters"]
        assert [(p["name"], p["in"], p["required"]) for p in parameters] == [("Idempotency-Key", "header", True)]


class TestAnswers:
    def test_to_people(
        self, document: dict[str, Any], order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        for number in range(3):
            hold = worker_client.post(f"{CREDITS}/holds", order, headers={"Idempotency-Key": str(number)}).json()
        worker_client.post(f"{CREDITS}/holds/{hold['id']}/capture")
        for template in (
            "/balance", "/transactions", "/transactions/summary", "/usage/summary", "/usage/daily", "/usage/models",
            "/plans", "/rates", "/holds",
        ):  # fmt: skip
            check(document, template, "get", alice_client.get(CREDITS + template), 200)
        check(document, "/balance", "get", alice_client.get(f"{CREDITS}/balance?at=2025-10-03T00:00:00Z"), 200)
        check(document, "/transactions", "get", alice_client.get(f"{CREDITS}/transactions?limit=1"), 200)
        exported = alice_client.get(f"{CREDITS}/transactions/export?format=json")
        check(document, "/transactions/export", "get", exported, 200)
        quote = {"operation": "image_generation", "quality": "hd"}
        check(document, "/quote", "post", alice_client.post(f"{CREDITS}/quote", quote), 200)

    def test_to_workers(self, document: dict[str, Any], order: dict[str, Any], worker_client: APIClient) -> None:
        def hold(key: str) -> str:
            answer = worker_client.post(f"{CREDITS}/holds", order, headers={"Idempotency-Key": key})
            return str(check(document, "/holds", "post", answer, 201)["id"])

        first, second, third = hold("1"), hold("2"), hold("3")
        for hold_id, verb, body in (
            (first, "extend", {"ttl_seconds": 1000}),
            (first, "capture", {"credits": 0.5}),
            (first, "refund", {"reason": "blurred"}),
            (second, "release", {"reason": "crashed"}),
        ):
            answer = worker_client.post(f"{CREDITS}/holds/{hold_id}/{verb}", body)
            check(document, f"/holds/{{hold_id}}/{verb}", "post", answer, 200)
        orders = {"holds": [order, {**order, "quantity": 500}, {**order, "quantity": 0}]}
        answer = worker_client.post(f"{CREDITS}/holds/batch", orders, headers={"Idempotency-Key": "4"})
        check(document, "/holds/batch", "post", answer, 200)
        captures = {"captures": [{"id": third}, {"id": second}, {"id": "unknown"}]}
        answer = worker_client.post(f"{CREDITS}/holds/batch/capture", captures)
        check(document, "/holds/batch/capture", "post", answer, 200)

    def test_that_refuse(
        self, document: dict[str, Any], order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        headers = {"Idempotency-Key": "1"}
        url = f"{CREDITS}/holds"
        check(document, "/holds", "post", worker_client.post(url, order), 400)
        check(document, "/holds", "post", worker_client.post(url, {}, headers=headers), 400)
        check(document, "/holds", "post", worker_client.post(url, {**order, "quantity": 500}, headers=headers), 402)
        check(document, "/holds", "post", alice_client.post(url, order, headers=headers), 403)
        check(document, "/holds", "get", APIClient().get(url), 401)
        answer = worker_client.post(f"{url}/unknown/capture")
        check(document, "/holds/{hold_id}/capture", "post", answer, 404)
        check(document, "/transactions", "get", alice_client.get(f"{CREDITS}/transactions?limit=1000"), 400)
