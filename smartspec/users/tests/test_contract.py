"""Answers are what the OpenAPI document says."""

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.testing import PASSWORD
from smartspec.users import services
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, log_in

pytestmark = pytest.mark.django_db


def with_null(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema, which says `null` where OpenAPI says `nullable`."""
    if isinstance(schema, list):
        return [with_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: with_null(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


@pytest.fixture
def check(client: Any) -> Callable[..., Any]:
    """Return a function that makes a call and holds its answer against the document."""
    document = client.get("/api/schema", {"format": "json"}).json()

    def check(caller: APIClient, method: str, path: str, *, status: int, body: Any = None, template: str = "") -> Any:
        answer = getattr(caller, method)(path, body)
        assert answer.status_code == status, answer.content
        responses = document["paths"][template or path][method]["responses"]
        described = responses.get(str(status), responses["default"])
        if "$ref" in described:
            described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        if status == 204:
            assert "content" not in described
            return None
        schema = described["content"][answer["Content-Type"]]["schema"]
        jsonschema.Draft7Validator(with_null(schema | {"components": document["components"]})).validate(answer.json())
        return answer.json()

    return check


class TestAnswers:
    def test_of_people_and_keys(self, check: Any, alice_on_pro: User, alice_client: APIClient) -> None:
        check(alice_client, "get", "/api/me", status=200)
        made = check(alice_client, "post", "/api/keys", body={"name": "x", "scopes": ["read"]}, status=201)
        check(alice_client, "post", "/api/keys", body={"name": "x"}, status=400)
        check(alice_client, "get", "/api/keys", status=200)
        template = "/api/keys/{key_id}"
        check(alice_client, "delete", f"/api/keys/{made['id']}", template=template, status=204)
        check(alice_client, "delete", f"/api/keys/{made['id']}", template=template, status=404)
        check(alice_client, "post", "/api/auth/web-session", status=200)
        check(APIClient(), "get", "/api/me", status=401)

    def test_of_a_service_where_only_people_may_call(self, check: Any) -> None:
        issued = services.create_service_key(name="w", scopes=["read"], now=clock.now())
        check(APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}"), "get", "/api/me", status=403)

    def test_of_allauth(self, check: Any, alice: User) -> None:
        person = {"email": "carol@smartspec.test", "password": PASSWORD}
        check(APIClient(), "post", f"{AUTH}/auth/signup", body=person, status=200)
        check(APIClient(), "post", f"{AUTH}/auth/signup", body=person, status=400)
        check(APIClient(), "post", f"{AUTH}/auth/login", body=person, status=200)
        check(APIClient(), "post", f"{AUTH}/auth/login", body=person | {"password": "wrong"}, status=400)
        check(APIClient(), "get", f"{AUTH}/auth/session", status=401)
        check(client_with("0" * 32), "get", f"{AUTH}/auth/session", status=410)
        device = client_with(log_in(alice.email, PASSWORD))
        check(device, "get", f"{AUTH}/auth/session", status=200)
        check(device, "get", f"{AUTH}/auth/sessions", status=200)
        check(device, "get", f"{AUTH}/account/email", status=200)
        check(device, "post", f"{AUTH}/auth/email/verify", body={"key": "x"}, status=409)
        check(APIClient(), "get", f"{AUTH}/config", status=200)
        check(APIClient(), "post", f"{AUTH}/auth/password/request", body={"email": alice.email}, status=401)
