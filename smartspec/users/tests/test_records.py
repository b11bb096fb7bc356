"""Who came in, who was refused, and what of a log-in was changed stands in the log and in the figures."""

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from smartspec.testing import PASSWORD
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in, log_in

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another horse, another staple"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """Return a function that gives the lines of an event, each with the caller's address and the request's id."""

    def lines(event: str) -> list[dict[str, Any]]:
        found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        found = [line for line in found if line["event"] == event]
        assert all(line["ip"] and line["request_id"] and line["timestamp"].endswith("Z") for line in found)
        return found

    return lines


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("smartspec_log_ins_total", {"outcome": outcome}) or 0.0


class TestLogIn:
    def test_is_told_of_both_doors(self, alice: User, told: Any) -> None:
        before = count("in")
        log_in(alice.email, PASSWORD)
        Client().post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        assert [line["user_id"] for line in told("Logged in")] == [str(alice.pk)] * 2
        assert count("in") == before + 2

    def test_that_is_refused_names_whose_account_was_tried_and_nothing_that_was_typed(
        self, alice: User, told: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = count("refused")
        APIClient().post(f"{AUTH}/auth/login", {"email": alice.email.upper(), "password": "wrong guess"})
        Client().post("/accounts/login/", {"login": "nobody@smartspec.test", "password": "wrong guess"})
        assert [line["user_id"] for line in told("Log-in refused")] == [str(alice.pk), None]
        assert count("refused") == before + 2
        text = json.dumps([str(record.msg) for record in caplog.records])
        assert "wrong guess" not in text
        assert "nobody@" not in text

    def test_that_is_no_longer_looked_at_is_told_as_well(self, alice: User, told: Any) -> None:
        before = count("throttled")
        for _ in range(6):
            Client().post("/accounts/login/", {"login": alice.email, "password": "wrong guess"})
        assert len(told("Log-in throttled")) == 1
        assert count("throttled") == before + 1

    def test_with_a_wrong_second_factor_is_told(self, alice: User, told: Any) -> None:
        TOTP.activate(alice, generate_totp_secret())
        browser = Client()
        browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
        assert [line["user_id"] for line in told("Second factor refused")] == [str(alice.pk)]
        assert told("Logged in") == []

    def test_that_ends_is_told(self, alice: User, told: Any) -> None:
        client_with(log_in(alice.email, PASSWORD)).delete(f"{AUTH}/auth/session")
        assert [line["user_id"] for line in told("Logged out")] == [str(alice.pk)]


class TestChange:
    def test_of_a_password_is_told(self, alice: User, told: Any, mailoutbox: list[Any]) -> None:
        passwords = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        client_with(log_in(alice.email, PASSWORD)).post(f"{AUTH}/account/password/change", passwords)
        assert [line["user_id"] for line in told("Password changed")] == [str(alice.pk)]

        asked = APIClient().post(f"{AUTH}/auth/password/request", {"email": alice.email})
        flow = client_with(asked.json()["meta"]["session_token"])
        flow.post(f"{AUTH}/auth/password/reset", {"key": "AAAA-AAAA", "password": PASSWORD})
        assert len(told("Code for another password refused")) == 1
        flow.post(f"{AUTH}/auth/password/reset", {"key": code_in(mailoutbox[-1]), "password": PASSWORD})
        assert [line["user_id"] for line in told("Password reset")] == [str(alice.pk)]

    def test_of_an_address_is_told(self, alice: User, told: Any, mailoutbox: list[Any]) -> None:
        app = client_with(log_in(alice.email, PASSWORD))
        app.post(f"{AUTH}/account/email", {"email": "new@smartspec.test"})
        app.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])})
        for event in ("Address confirmed", "Address changed"):
            assert [line["user_id"] for line in told(event)] == [str(alice.pk)]

    def test_of_a_second_factor_is_told(self, alice: User, told: Any) -> None:
        TOTP.activate(alice, generate_totp_secret())
        browser = Client()
        browser.force_login(alice)
        browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
        browser.post("/accounts/2fa/totp/deactivate/")
        assert not Authenticator.objects.exists()
        assert [line["user_id"] for line in told("Second factor removed")] == [str(alice.pk)]


def test_a_call_that_is_refused_stands_in_the_log_with_who_made_it(alice: User, told: Any) -> None:
    client_with(log_in(alice.email, PASSWORD)).post("/api/credits/holds", {})
    APIClient(HTTP_AUTHORIZATION="Api-Key nonsense").get("/api/me")
    refused = [line for line in told("request_finished") if line["code"] in (401, 403)]
    assert [(line["code"], line["request"], line.get("user_id")) for line in refused] == [
        (403, "POST /api/credits/holds", str(alice.pk)),
        (401, "GET /api/me", None),
    ]
