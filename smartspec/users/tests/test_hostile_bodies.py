"""Bodies that no honest client sends to the doors of people: refused, and never a failure."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from smartspec.testing import PASSWORD
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in, log_in

pytestmark = pytest.mark.django_db
LONE = r'"\ud800abcdefghijklmnop"'  # half of a pair: JSON can say it, UTF-8 cannot
HUGE = "9" * 5000


def send(client: APIClient, path: str, body: str, *, method: str = "POST", kind: str = "application/json") -> Any:
    client.raise_request_exception = False
    return client.generic(method, f"{AUTH}/{path}", body, content_type=kind)


def told(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer["Content-Type"], answer.json()["code"]


MALFORMED = (400, "application/problem+json", "parse_error")


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            f'{{"email": "alice@smartspec.test", "password": {LONE}}}',
            f'{{"email": {LONE}, "password": "x"}}',
            f"{{{LONE}: 1}}",
            f'{{"a": {HUGE}}}',
            '{"a": 1e400}',
            '{"a": -1e400}',
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": 1e99999999999999999999}',
            "{",
            "[" * 100_000,
        ],
        ids=[
            "half a letter",
            "half an address",
            "half a name",
            "huge",
            "beyond",
            "below",
            "nan",
            "infinity",
            "far",
            "cut",
            "deep",
        ],
    )
    @pytest.mark.parametrize("path", ["auth/login", "auth/signup", "auth/password/request"])
    def test_that_others_could_not_read_is_malformed(self, path: str, body: str, alice: User) -> None:
        assert told(send(APIClient(), path, body)) == MALFORMED

    def test_of_another_shape_than_an_object_is_malformed(self) -> None:
        for body in ("[]", '"x"', "1", "null"):
            answer = send(APIClient(), "auth/login", body)
            assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), body

    def test_is_as_strict_for_whoever_has_a_session(self, alice_client: APIClient) -> None:
        body = f'{{"current_password": "{PASSWORD}", "new_password": {LONE}}}'
        assert told(send(alice_client, "account/password/change", body)) == MALFORMED
        rename = '{"id": 1e400, "name": "x"}'
        assert told(send(alice_client, "account/authenticators/webauthn", rename, method="PUT")) == MALFORMED

    def test_is_as_strict_for_whoever_has_a_code(self, alice: User, mailoutbox: list[Any]) -> None:
        asked = APIClient().post(f"{AUTH}/auth/password/request", {"email": alice.email})
        client = APIClient(HTTP_X_SESSION_TOKEN=asked.json()["meta"]["session_token"])
        body = f'{{"key": "{code_in(mailoutbox[0])}", "password": {LONE}}}'
        assert told(send(client, "auth/password/reset", body)) == MALFORMED

    def test_with_a_letter_of_two_halves_is_read(self) -> None:
        body = rf'{{"email": "carol@smartspec.test", "password": "{PASSWORD}", "name": "Carol \ud83d\ude00"}}'
        token = send(APIClient(), "auth/signup", body).json()["meta"]["session_token"]
        assert client_with(token).get("/api/me").json()["name"] == "Carol \U0001f600"


class TestContentType:
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
    )
    def test_other_than_json_is_refused(self, kind: str, alice: User) -> None:
        body = f'{{"email": "{alice.email}", "password": "{PASSWORD}"}}'
        answer = send(APIClient(), "auth/login", body, kind=kind)
        assert told(answer) == (415, "application/problem+json", "unsupported_media_type")

    def test_is_asked_for_no_body_at_all(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        assert client_with(token).delete(f"{AUTH}/auth/session", content_type="text/plain").status_code == 401

    def test_may_name_the_charset(self, alice: User) -> None:
        body = f'{{"email": "{alice.email}", "password": "{PASSWORD}"}}'
        assert send(APIClient(), "auth/login", body, kind="Application/JSON; charset=utf-8").status_code == 200


KEY = '{"id": "YQ", "rawId": "YQ", "type": "public-key", "response": '
CREDENTIALS = [
    '{"id": "a", "response": 5}',
    '{"id": {"a": [1]}, "response": 5}',
    KEY + "{}}",
    KEY + '{"clientDataJSON": "YQ", "attestationObject": "YQ"}}',
    KEY + '{"clientDataJSON": "YQ", "authenticatorData": "YQ"}}',
    '{"id": "YQ", "rawId": 5, "type": 5, "response": []}',
    '[{"id": 1}]',
    '"x"',
]


class TestPasskeys:
    @pytest.mark.parametrize("credential", CREDENTIALS)
    @pytest.mark.parametrize("path", ["account/authenticators/webauthn", "auth/webauthn/reauthenticate"])
    def test_that_are_none_are_refused(self, path: str, credential: str, alice: User) -> None:
        alice_client = client_with(log_in(alice.email, PASSWORD))
        alice_client.get(f"{AUTH}/{path}")
        answer = send(alice_client, path, f'{{"name": "k", "credential": {credential}}}')
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("credential", CREDENTIALS)
    @pytest.mark.parametrize("path", ["/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/reauthenticate/"])
    def test_that_are_none_are_refused_on_the_pages(self, path: str, credential: str, alice: User) -> None:
        browser = Client(raise_request_exception=False)
        browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        browser.get(path)
        assert browser.post(path, {"name": "k", "credential": credential}).status_code < 500


class TestForms:
    @pytest.mark.parametrize("half", ["\x00", "\ud800".encode("utf-8", "surrogatepass")], ids=["nul", "half a letter"])
    def test_with_letters_that_are_none_are_no_failure(self, half: Any, alice: User) -> None:
        names = ("login", "email", "password", "password1", "password2", "oldpassword", "name", "code")
        pages = ("login", "signup", "password/reset", "password/change", "reauthenticate", "email", "confirm-email")
        for is_known in (False, True):
            browser = Client(raise_request_exception=False)
            if is_known:
                browser.force_login(alice)
            for page in pages:
                assert browser.post(f"/accounts/{page}/", dict.fromkeys(names, half)).status_code < 500, page
