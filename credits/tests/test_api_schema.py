"""The OpenAPI document tells the truth about /api/credits: real answers validate against it."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from credits import services
from smartspec import clock

CREDITS = "/api/credits"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def as_json_schema(part: Any) -> Any:
    """Return a part of an OpenAPI 3.0 document as JSON Schema (draft 4, its base): `nullable` is a way to be null."""
    if isinstance(part, list):
        return [as_json_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {name: as_json_schema(value) for name, value in part.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain


def closed(part: Any) -> Any:
    """Return a JSON Schema that refuses members which the document does not name."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    shut = {name: closed(value) for name, value in part.items()}
    if "properties" in part and "additionalProperties" not in part:
        shut["additionalProperties"] = False
    return shut


def check(document: dict[str, Any], template: str, method: str, answer: Any, status: int) -> Any:
    """Assert that an answer has its status and the shape that the document promises for it; return its body."""
    assert answer.status_code == status, answer.content
    responses = document["paths"][CREDITS + template][method]["responses"]
    media_type = answer.headers["Content-Type"].partition(";")[0]
    promised = responses.get(str(status), responses["default"])["content"][media_type]["schema"]
    components = as_json_schema(document["components"])
    # A problem may carry the numbers that belong to it; every other answer has exactly the members that are documented.
    problem = components["schemas"].pop("Problem")
    components = {"schemas": {**closed(components["schemas"]), "Problem": problem}}
    body = json.loads(b"".join(answer.streaming_content) if answer.streaming else answer.content)
    jsonschema.Draft4Validator(
        {**as_json_schema(promised), "components": components}, format_checker=jsonschema.FormatChecker()
    ).validate(body)
    return body


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
    def test_is_valid_and_warns_of_nothing_in_credits(self, capsys: pytest.CaptureFixture[str]) -> None:
        GENERATOR_STATS.reset()
        with GENERATOR_STATS.silence():
            validate_schema(SchemaGenerator().get_schema(request=None, public=True))
        found = [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]
        assert [message for message in found if "credits" in message] == []

    def test_names_every_call_of_the_contract(self, document: dict[str, Any]) -> None:
        calls = {
            f"{method.upper()} {path.removeprefix(CREDITS)}"
            for path, item in document["paths"].items()
            if path.startswith(CREDITS)
            for method in item
        }
        assert calls == {
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
