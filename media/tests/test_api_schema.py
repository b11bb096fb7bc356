"""The OpenAPI document tells the truth about /api/media: real answers validate against it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from media.tests.conftest import PNG, put
from media.tests.test_api_doors import MEDIA, ORDER
from smartspec.tests import openapi


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.read_document()


class TestTheDocument:
    def test_is_valid_and_warns_of_nothing_in_media(self) -> None:
        assert [message for message in openapi.read_warnings() if "media" in message] == []

    def test_names_every_call_of_the_contract(self, document: dict[str, Any]) -> None:
        assert openapi.calls_of(document, MEDIA) == {
            "GET /assets",
            "POST /assets",
            "GET /assets/{asset_id}",
            "DELETE /assets/{asset_id}",
            "POST /assets/{asset_id}/complete",
            "GET /usage",
        }


def test_answers(document: dict[str, Any], alice_client: APIClient) -> None:
    def check(template: str, method: str, answer: Any, status: int) -> Any:
        return openapi.check(document, MEDIA + template, method, answer, status)

    created = check("/assets", "post", alice_client.post(f"{MEDIA}/assets", ORDER), 201)
    one = f"{MEDIA}/assets/{created['asset']['id']}"
    check("/assets/{asset_id}/complete", "post", alice_client.post(f"{one}/complete"), 409)
    put(created["upload"]["url"], PNG, created["upload"]["headers"])
    check("/assets/{asset_id}/complete", "post", alice_client.post(f"{one}/complete"), 200)
    check("/assets/{asset_id}", "get", alice_client.get(one), 200)
    check("/assets", "get", alice_client.get(f"{MEDIA}/assets"), 200)
    check("/usage", "get", alice_client.get(f"{MEDIA}/usage"), 200)
    assert alice_client.delete(one).status_code == 204
    check("/assets/{asset_id}", "get", alice_client.get(one), 404)
    check("/assets", "post", alice_client.post(f"{MEDIA}/assets", {}), 400)
    check("/assets", "post", alice_client.post(f"{MEDIA}/assets", ORDER | {"kind": "video"}), 422)
    check("/assets", "get", APIClient().get(f"{MEDIA}/assets"), 401)
