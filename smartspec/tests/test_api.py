"""What every endpoint shares, tried on one of them."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.conf import settings
from django.urls import get_resolver
from rest_framework.test import APIClient

from smartspec.api import Endpoint
from smartspec.tests import openapi
from smartspec.tests.conftest import Ids
from smartspec.tests.test_every_door import METHODS, addresses, fill, service

QUOTE = "/api/credits/quote"


@pytest.fixture
def service_client(db: None) -> APIClient:
    return service("media:write")


def post(client: APIClient, body: str | bytes) -> tuple[int, str]:
    answer = client.post(QUOTE, data=body, content_type="application/json")
    return answer.status_code, answer.json().get("code", "")


def optional_fields() -> Iterator[tuple[str, str, Any]]:
    """Yield path, name and schema of every field that a body may leave out; allauth's own aside."""
    document = openapi.as_json_schema(openapi.read_document())
    for path, item in document["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        body = content.get("application/json", {}).get("schema", {})
        if "/auth/app/" not in path and "$ref" in body:
            schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            for name in schema["properties"].keys() - set(schema.get("required", [])):
                field = schema["properties"][name]
                yield path, name, field | {"components": document["components"]}


@pytest.mark.django_db
class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            *("{", "", "[1, 2", '{"quantity": NaN}', '{"quantity": Infinity}', b"\xff\xfe", "[" * 100_000),
            *('{"quantity": 1e400}', r'{"operation": "\ud800"}', r'{"\ud800": 1}', '{"quantity": ' + "9" * 5000 + "}"),
        ],
        ids=[
            "cut",
            "empty",
            "open list",
            "nan",
            "infinity",
            "not utf-8",
            "deep",
            "beyond",
            "half a letter",
            "half a name",
            "huge",
        ],
    )
    def test_that_is_no_json_is_refused(self, alice_client: APIClient, body: str | bytes) -> None:
        assert post(alice_client, body)[0] == 400

    def test_with_half_a_letter_where_a_choice_is_asked_for_is_refused(self, alice_client: APIClient) -> None:
        answer = alice_client.post(
            "/api/payment/checkout/subscription", data=r'{"plan": "\ud800"}', content_type="application/json"
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")

    def test_that_is_too_large_is_refused(self, alice_client: APIClient) -> None:
        body = '{"model_id": "' + "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + '"}'
        assert post(alice_client, body) == (413, "body_too_large")

    def test_of_another_type_is_refused(self, alice_client: APIClient) -> None:
        answer = alice_client.post(QUOTE, data="operation=image_generation", content_type="text/plain")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    def test_may_say_null_for_whatever_it_may_leave_out(self) -> None:
        fields = list(optional_fields())
        assert len(fields) > 20
        for path, name, schema in fields:
            assert jsonschema.Draft4Validator(schema).is_valid(None), (path, name)
            assert jsonschema.Draft4Validator(schema).is_valid(schema.get("default")), (path, name)

    def test_that_says_null_is_read_as_if_it_left_the_field_out(
        self, ids: Ids, alice_client: APIClient, bob_client: APIClient
    ) -> None:
        subscription = {"subscription_id": ids["subscription_id"][0]}
        no_addresses = {"success_url": None, "cancel_url": None}
        for path, body in {
            "/api/payment/checkout/credits": {"credits_amount": 100, **no_addresses},
            "/api/payment/subscription/change-plan": {
                **subscription, "new_plan": "enterprise", "new_interval": None, "preview": None,
            },
            "/api/payment/subscription/cancel": {**subscription, "at_period_end": None},
            "/api/auth/web-session": {"next": None},
            "/api/keys": {"name": "mine", "scopes": ["read"], "expires_at": None},
            "/api/media/assets": {
                "filename": "x.png", "content_type": "image/png", "size_bytes": 1, "kind": "image",
                "user_id": None, "reference_id": None,
            },
        }.items():  # fmt: skip
            answer = alice_client.post(path, body)
            assert answer.status_code in (200, 201), (path, answer.json())
        body = {"plan": "pro", "interval": None, **no_addresses}
        assert bob_client.post("/api/payment/checkout/subscription", body).status_code == 200


@pytest.mark.django_db
class TestTypes:
    def test_of_text_are_not_made_of_numbers(
        self, ids: Ids, alice_client: APIClient, worker_client: APIClient, service_client: APIClient
    ) -> None:
        job = {"operation": "image_generation", "model_id": "m", "quality": "hd"}
        hold = {**job, "user_id": ids["user_id"][0], "reference_id": "job"}
        file = {
            "filename": "x.png",
            "content_type": "image/png",
            "size_bytes": 1,
            "kind": "image",
            "reference_id": "job",
        }
        calls: list[tuple[APIClient, str, dict[str, Any]]] = [
            (alice_client, QUOTE, job),
            (worker_client, "/api/credits/holds", hold),
            (worker_client, f"/api/credits/holds/{ids['hold_id'][1]}/release", {"reason": "x"}),
            (worker_client, f"/api/credits/holds/{ids['hold_id'][0]}/refund", {"reason": "x"}),
            (service_client, "/api/media/assets", {**file, "user_id": ids["user_id"][0]}),
            (alice_client, "/api/keys", {"name": "mine", "scopes": ["read"]}),
            (alice_client, "/api/auth/web-session", {"next": "/account"}),
            (alice_client, "/api/payment/subscription/cancel", {"subscription_id": "x"}),
            (alice_client, "/api/payment/checkout/credits", {"credits_amount": 100, "success_url": "x"}),
        ]
        for client, path, body in calls:
            for name in (name for name, value in body.items() if isinstance(value, str)):
                answer = client.post(path, {**body, name: 5}, headers={"Idempotency-Key": name})
                assert answer.status_code == 400, (path, name, answer.json())
                assert answer.json()["errors"][0]["attr"] == name, path
        batch = worker_client.post("/api/credits/holds/batch/capture", {"captures": [{"id": 5}]})
        assert batch.json()["results"][0]["status"] == 400

    @pytest.mark.parametrize("form", ["{%s}", "urn:uuid:%s", "urn:%s", "%s ", "uuid:%s"])
    def test_of_ids_are_as_we_write_them(
        self, form: str, ids: Ids, worker_client: APIClient, service_client: APIClient
    ) -> None:
        user_id = ids["user_id"][0]
        for written in (form % user_id, form % user_id.replace("-", "")):
            order = {"operation": "image_generation", "user_id": written, "reference_id": "job"}
            answer = worker_client.post("/api/credits/holds", order, headers={"Idempotency-Key": "k"})
            assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "user_id")
            file = {"filename": "x.png", "content_type": "image/png", "size_bytes": 1, "kind": "image"}
            answer = service_client.post("/api/media/assets", {**file, "user_id": written})
            assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "user_id")


@pytest.mark.django_db
class TestMethod:
    def test_that_an_address_does_not_have_is_405_to_everybody(self) -> None:
        tried = 0
        for address, pattern in addresses(get_resolver()):
            view = getattr(pattern.callback, "cls", None)
            if address.startswith("api/") and view is not None and address not in ("api/schema", "api/docs"):
                assert issubclass(view, Endpoint), address
                for method in METHODS:
                    if not hasattr(view, method):
                        answer = getattr(APIClient(), method)(fill(address))
                        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), address
                        assert answer["Allow"], address
                        tried += 1
        assert tried > 150
