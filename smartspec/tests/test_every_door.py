"""Every address of the URL map, tried by those who should not come in: read from the map, so that none is forgotten."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import get_resolver
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.testing import make_user
from smartspec.tests.conftest import Ids
from smartspec.users import services as users_services

METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
# These are public by intent; the webhook has its signature, the document and its reader are for everybody.
PUBLIC = {
    "api/credits/plans",
    "api/credits/rates",
    "api/payment/config",
    "api/payment/packages",
    "api/webhooks/stripe",
    "api/schema",
    "api/docs",
}
# What keys may do beside reading, by scope; a service's key reads nothing, since it owns nothing.
SPENDING = {
    "post api/credits/holds",
    "post api/credits/holds/batch",
    "post api/credits/holds/batch/capture",
    "post api/credits/holds/<str:hold_id>/capture",
    "post api/credits/holds/<str:hold_id>/release",
    "post api/credits/holds/<str:hold_id>/extend",
    "post api/credits/holds/<str:hold_id>/refund",
}
UPLOADING = {"post api/media/assets", "post api/media/assets/<str:asset_id>/complete"}
CHANGING_OWN_MEDIA = {*UPLOADING, "delete api/media/assets/<str:asset_id>"}
ASKING = {"post api/credits/quote"}
# Of the back-office: log-in and log-out, words for its scripts, and what leads to the page for one's own password.
OPEN_ADMIN = {"admin/login/", "admin/logout/", "admin/jsi18n/", "admin/password_change/"}
# To staff without a role: an empty home, and a search among the lists that they may see.
EMPTY_ADMIN = {"admin/", "admin/search/", "admin/password_change/done/"}


def addresses(resolver: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every address of the URL map with its pattern, the sandbox's and allauth's own aside."""
    for pattern in (resolver or get_resolver()).url_patterns:
        address = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern, address)
        else:
            yield address, pattern


def api_calls() -> list[tuple[str, str]]:
    """Return method and address of every call of the API that is not public."""
    calls = []
    for address, pattern in addresses():
        view = getattr(pattern.callback, "cls", None)
        if address.startswith("api/") and view is not None and address not in PUBLIC:
            calls += [(method, address) for method in METHODS if hasattr(view, method)]
    return calls


def fill(address: str, ids: Ids | None = None) -> str:
    """Return an address with its parameters filled: with ids that are there, or with some that never were."""

    def value(parameter: re.Match[str]) -> str:
        kind, name = parameter.groups()
        if ids is not None:
            return ids[name][0]
        return {"int": "1", "uuid": str(uuid4()), "slug": "nothing"}.get(kind, "1")

    return "/" + PARAMETER.sub(value, address)


def call(client: Any, method: str, path: str, body: Any = None) -> Any:
    headers = {"Idempotency-Key": str(uuid4())}
    return getattr(client, method)(path, body if method != "get" else None, headers=headers)


def service(*scopes: str) -> APIClient:
    issued = users_services.create_service_key(name="worker", scopes=scopes, now=clock.now())
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")


def statuses(client: Any, calls: list[tuple[str, str]], ids: Ids | None = None) -> dict[str, int]:
    return {f"{method} {address}": call(client, method, fill(address, ids)).status_code for method, address in calls}


def let_in(found: dict[str, int]) -> set[str]:
    """Return the calls that were not refused for want of a right."""
    return {name for name, status in found.items() if status not in (401, 403)}


def held(client: APIClient) -> Any:
    """Return everything that is held about whoever calls."""
    return json.loads(b"".join(client.get("/api/me/export"))) | {"exported_at": None}


class TestApi:
    def test_has_no_view_that_is_shut_by_hand(self) -> None:
        """What is not DRF's and not allauth's has no permissions: it is named here, or it is not there."""
        plain = {
            address
            for address, pattern in addresses()
            if address.startswith("api/") and getattr(pattern.callback, "cls", None) is None
        }
        own = {address for address in plain if not re.match(r"api/\^?auth/", address)}
        assert own == {"api/webhooks/stripe"}

    @pytest.mark.django_db
    def test_is_shut_to_whoever_shows_nothing_or_something_wrong(self) -> None:
        calls = api_calls()
        assert len(calls) > 40
        for header in (
            "",
            "Bearer wrong",
            "Api-Key wrong",
            "Basic YWxpY2U6cGFzcw==",
            "Api-Key",
            "Bearer",
            "Bearer \x00",
        ):
            client = APIClient()
            if header:
                client.credentials(HTTP_AUTHORIZATION=header)
            assert set(statuses(client, calls).values()) == {401}, header

    @pytest.mark.django_db
    def test_opens_to_services_what_their_scope_is_for(self) -> None:
        calls = api_calls()
        assert let_in(statuses(service("read"), calls)) == set()
        assert let_in(statuses(service("credits:spend"), calls)) == SPENDING
        assert let_in(statuses(service("media:write"), calls)) == UPLOADING

    def test_opens_to_own_keys_what_their_scope_is_for(self, ids: Ids, alice: Any) -> None:
        now = clock.now()

        def own(scope: str) -> APIClient:
            issued = users_services.create_user_key(user=alice, name=scope, scopes=[scope], expires_at=None, now=now)
            return APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")

        calls = [named for named in api_calls() if named != ("delete", "api/me")]
        reads = {f"{method} {address}" for method, address in calls if method == "get"}
        assert let_in(statuses(own("read"), calls)) == reads - {"get api/me/export"} | ASKING
        assert let_in(statuses(own("media:write"), calls)) == CHANGING_OWN_MEDIA

    def test_shows_nobody_what_is_anothers(
        self, ids: Ids, alice: Any, alice_client: APIClient, bob_client: APIClient
    ) -> None:
        before = held(alice_client)
        named = [(method, address) for method, address in api_calls() if PARAMETER.search(address)]
        found = statuses(bob_client, named, ids)
        assert {name for name, status in found.items() if status == 403} == SPENDING & set(found)
        assert set(found.values()) == {403, 404}
        for action in ("cancel", "reactivate", "change-plan", "cancel-change"):
            body = {"subscription_id": ids["subscription_id"][0], "new_plan": "enterprise"}
            assert bob_client.post(f"/api/payment/subscription/{action}", body).status_code == 404, action
        assert held(alice_client) == before

    def test_answers_about_anothers_as_about_what_never_was(self, ids: Ids, bob_client: APIClient) -> None:
        for method, address in api_calls():
            if PARAMETER.search(address):
                never = {name: [re.sub(r"[0-9](?=[^0-9]*$)", "x", found[0])] for name, found in ids.items()}
                never["key_id"] = [str(uuid4())]
                anothers, unknown = (call(bob_client, method, fill(address, asked)) for asked in (ids, never))
                assert anothers.status_code == unknown.status_code, address
                told = [
                    {name: re.sub(r"\S*\d\S*", "", str(value)) for name, value in answer.json().items()}
                    for answer in (anothers, unknown)
                ]
                assert told[0] == told[1], address


def admin_addresses() -> list[str]:
    found = [address for address, _ in addresses() if address.startswith("admin/") and "(?P" not in address]
    assert len(found) > 150
    return [address for address in found if address not in OPEN_ADMIN]


@pytest.mark.django_db
class TestBackOffice:
    """Who may what among staff is tried elsewhere; here are those who are none, or have no role."""

    @pytest.mark.parametrize("who", ["nobody", "a customer", "staff who left"])
    def test_leads_whoever_is_not_of_the_staff_to_the_log_in(self, who: str, alice: Any) -> None:
        client = Client()
        if who == "a customer":
            client.force_login(alice)
        if who == "staff who left":
            gone = make_user("gone@smartspec.test", is_staff=True, is_superuser=True)
            client.force_login(gone)
            gone.is_active = False
            gone.save()
        for address in admin_addresses():
            for method in ("get", "post"):
                answer = getattr(client, method)(fill(address))
                leads = answer.headers.get("Location", "")
                assert answer.status_code == 403 or (answer.status_code == 302 and "login" in leads), address

    def test_shows_staff_without_a_role_nothing(self, alice: Any) -> None:
        client = Client()
        client.force_login(make_user("new@smartspec.test", name="New", is_staff=True))
        open_to = {
            address
            for address in admin_addresses()
            for method in ("get", "post")
            if getattr(client, method)(fill(address)).status_code not in (302, 403, 404, 405)
        }
        assert open_to == EMPTY_ADMIN
        for address in EMPTY_ADMIN:
            page = client.get(f"/{address}", {"s": "a", "q": alice.email}).content.decode()
            assert alice.email not in page
            assert not re.search(r"/admin/(?!password_change|logout|login|jsi18n|search)\w+/", page), address

    def test_leads_to_the_one_page_where_a_password_is_changed_and_told_by_mail(self, alice: Any) -> None:
        client = Client()
        client.force_login(make_user("new@smartspec.test", is_staff=True))
        for method in ("get", "post"):
            answer = getattr(client, method)("/admin/password_change/")
            assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/change/")


@pytest.mark.django_db
class TestPages:
    def test_of_an_account_are_shut_to_whoever_has_not_logged_in(self) -> None:
        links = {"account/open/<str:token>", "account/verify/<str:token>"}  # the token is what lets in
        without = {
            "account/language",
            "account/viewing/end",
        }  # the one is for everybody, the other ends what is not there
        pages = [address for address, _ in addresses() if re.match(r"account(/|$)", address)]
        assert len(pages) > 15
        for address in set(pages) - links - without:
            for method in ("get", "post"):
                answer = getattr(Client(), method)(fill(address))
                assert answer.status_code in (302, 405), address
                assert answer.status_code == 405 or "/accounts/login/" in answer["Location"], address

    def test_show_nobody_what_is_anothers(self, ids: Ids, alice_client: APIClient, bob: Any) -> None:
        entry = alice_client.get("/api/credits/transactions").json()["transactions"][0]["id"]
        anothers = {"entry_id": [entry], "card_id": ids["payment_method_id"]}
        client = Client()
        client.force_login(bob)
        pages = [address for address, _ in addresses() if re.match(r"account/.*<str:(entry|card)_id>", address)]
        assert len(pages) == 3
        for address in pages:
            for method in ("get", "post"):
                answer, unknown = (getattr(client, method)(fill(address, asked)) for asked in (anothers, None))
                assert (answer.status_code, answer.get("Location")) == (unknown.status_code, unknown.get("Location"))
                assert answer.status_code in (302, 404, 405), address
        assert alice_client.get("/api/payment/payment-methods").json()["payment_methods"][0]["is_default"]
