"""What every endpoint shares, tried on one of them."""

import pytest
from django.conf import settings
from rest_framework.test import APIClient

QUOTE = "/api/credits/quote"


def post(client: APIClient, body: str | bytes) -> tuple[int, str]:
    answer = client.post(QUOTE, data=body, content_type="application/json")
    return answer.status_code, answer.json().get("code", "")


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
