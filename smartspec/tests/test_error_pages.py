"""What a browser is shown when something is refused or breaks: a page of ours, in the reader's language."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import translation
from django.views import defaults

from smartspec import operations

pytestmark = pytest.mark.django_db

THAI = {"Accept-Language": "th"}


def says(answer: Any, status: int, english: str) -> None:
    """The answer is a page of this status in Thai that says this."""
    page = answer.content.decode()
    assert answer.status_code == status
    assert '<html lang="th">' in page
    assert "smartspec/style.css" in page
    with translation.override("th"):
        assert translation.gettext(english) in page
    assert english not in page


class TestErrorPages:
    def test_what_cannot_be_read(self) -> None:
        browser = Client(headers=THAI | {"Host": "evil.example"})
        says(browser.get("/account"), 400, "This request could not be read")
        answer = browser.get("/api/me")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert answer.json()["code"] == "malformed"

    def test_an_unknown_address(self) -> None:
        says(Client(headers=THAI).get("/account/nowhere"), 404, "There is no such page")

    def test_what_is_not_for_this_account(self, alice: Any, rf: RequestFactory) -> None:
        request: HttpRequest = rf.get("/account")
        request.user = alice
        request._messages = []  # type: ignore[attr-defined]
        with translation.override("th"):
            says(defaults.permission_denied(request, PermissionDenied()), 403, "This is not allowed")

    def test_a_form_that_is_out_of_date(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True, headers=THAI)
        client.force_login(alice)
        says(client.post("/account/buy", {"credits_amount": "100"}), 403, "This page was out of date")

    def test_too_many_attempts(self, settings: Any) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/h/ip"}
        client, asks = Client(headers=THAI), {"email": "alice@smartspec.test"}
        client.post("/accounts/password/reset/", asks)
        says(client.post("/accounts/password/reset/", asks), 429, "Too many attempts")

    def test_an_error_of_ours_needs_no_database(self, rf: RequestFactory, django_assert_num_queries: Any) -> None:
        request: HttpRequest = rf.get("/account")
        with translation.override("th"), django_assert_num_queries(0):
            says(operations.server_error(request), 500, "Something went wrong on our side")


class TestPartsOfPages:
    def test_load_the_page_anew_when_the_session_has_ended(self) -> None:
        for path in ("/account?seen=x", "/account/buy/cards", "/account/buy?credits_amount=20"):
            answer = Client().get(path, headers={"HX-Request": "true"})
            assert (answer.status_code, answer["HX-Refresh"]) == (200, "true"), path
            assert answer.content == b""  # nothing that could stand where the part stood
        assert Client().get("/account").status_code == 302
