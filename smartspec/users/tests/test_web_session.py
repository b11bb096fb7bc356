"""The link from the app to the account pages."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.users import services
from smartspec.users.models import User, WebSessionLink

pytestmark = pytest.mark.django_db


def ask_for_link(client: APIClient, **body: Any) -> str:
    answer = client.post("/api/auth/web-session", body)
    assert answer.status_code == 200, answer.content
    return urlsplit(answer.json()["url"]).path


class TestWebSession:
    def test_opens_the_account_pages_signed_in(self, alice: User, alice_client: APIClient, client: Client) -> None:
        answer = client.get(ask_for_link(alice_client))
        assert (answer.status_code, answer["Location"]) == (302, "/account")
        assert client.session["_auth_user_id"] == str(alice.pk)
        assert "no-store" in answer["Cache-Control"]
        assert answer["Referrer-Policy"] == "same-origin"

    def test_opens_the_page_that_was_asked_for(self, alice_client: APIClient, client: Client) -> None:
        assert client.get(ask_for_link(alice_client, next="/account/plans"))["Location"] == "/account/plans"

    @pytest.mark.parametrize(
        "next_path",
        ["https://evil.test/", "//evil.test", "/admin/", "/account/../admin/", "/account\n/x", "", "/account//evil"],
    )
    def test_leads_nowhere_else(self, next_path: str, alice_client: APIClient) -> None:
        answer = alice_client.post("/api/auth/web-session", {"next": next_path})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "next")

    def test_works_once(self, alice_client: APIClient, client: Client) -> None:
        path = ask_for_link(alice_client)
        assert client.get(path).status_code == 302
        other_browser = Client()
        answer = other_browser.get(path)
        assert answer.status_code == 410
        assert b"no longer works" in answer.content
        assert "_auth_user_id" not in other_browser.session

    def test_works_for_sixty_seconds(self, alice: User) -> None:
        now = clock.now()
        late, just = (services.create_web_session_link(user=alice, next_path="/account/buy", now=now) for _ in "ab")
        assert services.use_web_session_link(token=just, now=now + timedelta(seconds=59)).user == alice
        with pytest.raises(services.LinkUsedUp):
            services.use_web_session_link(token=late, now=now + timedelta(seconds=60))

    def test_is_not_stored_as_it_is(self, alice_client: APIClient) -> None:
        token = ask_for_link(alice_client).rpartition("/")[2]
        assert token not in str(WebSessionLink.objects.values().get())

    def test_is_not_used_up_by_a_look(self, alice_client: APIClient, client: Client) -> None:
        path = ask_for_link(alice_client)
        assert client.head(path).status_code == 405
        assert client.get(path).status_code == 302

    def test_changes_who_the_browser_is_once_they_say_so(
        self, alice: User, bob: User, alice_client: APIClient, bob_client: APIClient, client: Client
    ) -> None:
        client.get(ask_for_link(bob_client))
        path = ask_for_link(alice_client)
        page = client.get(path)
        assert f"Go on as {alice.email}" in page.content.decode()
        assert client.session["_auth_user_id"] == str(bob.pk)
        assert client.post(path)["Location"] == "/account"
        assert client.session["_auth_user_id"] == str(alice.pk)

    def test_is_asked_for_no_second_time_by_who_is_signed_in_already(
        self, alice: User, alice_client: APIClient, client: Client
    ) -> None:
        for _ in range(2):
            assert client.get(ask_for_link(alice_client))["Location"] == "/account"

    def test_takes_no_button_of_another_site(self, alice_client: APIClient) -> None:
        assert Client(enforce_csrf_checks=True).post(ask_for_link(alice_client)).status_code == 403

    def test_needs_a_person(self, anonymous_client: APIClient, worker_client: APIClient) -> None:
        assert anonymous_client.post("/api/auth/web-session").status_code == 401
        assert worker_client.post("/api/auth/web-session").status_code == 403

    def test_a_wrong_method_is_405(self, alice_client: APIClient) -> None:
        assert alice_client.get("/api/auth/web-session").status_code == 405
