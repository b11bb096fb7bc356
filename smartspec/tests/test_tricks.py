"""Requests that no honest client sends: headers that lie, bodies that weigh, fields that are not asked for."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from rest_framework.test import APIClient

from billing.models import Purchase
from smartspec.testing import PASSWORD
from smartspec.tests.conftest import Ids
from smartspec.tests.test_every_door import addresses, fill
from smartspec.users.models import ApiKey, User

pytestmark = pytest.mark.django_db

AUTH = "/api/auth/app/v1"
# No right to it, no such thing, nothing begun: the body is not looked at.
REFUSED_UNREAD = {401, 403, 404, 405, 409}
LEADING = ("next", "success_url", "cancel_url", "return_url", "redirect_to", "url", "to", "back", "session_id", "id")
# What pages read of an address or a form.
NAMES = re.findall(
    r"\w+",
    "page limit cursor type kind search q s date_from date_to days at until show target plan interval amount reason"
    " credits_amount session_id card subscription_id next language key code email login password",
)
NONSENSE = ("\x00", "9" * 400, "\u0663\U0001f600", "' OR 1=1 --", "../../etc/passwd")
DEEP = "[" * 100_000 + "]" * 100_000
# Every field that somebody may hope to set, and nobody may.
WISHES: dict[str, Any] = {
    "is_staff": True,
    "is_superuser": True,
    "is_active": True,
    "email_verified": True,
    "groups": [1],
    "plan_name": "enterprise",
    "price": 0,
    "price_cents": 1,
    "amount_total": 1,
    "bonus_credits": 5000,
    "total_credits": 5000,
    "state": "fulfilled",
    "status": "fulfilled",
    "paid_cents": 1,
    "prefix": "ours",
    "secret": "ours",
    "digest": "ours",
    "account_id": "1",
    "key": "generations/other/x.png",
}


def posts() -> Iterator[str]:
    """Every address of the API that takes a body, the webhook and allauth's log-in included."""
    for address, pattern in addresses():
        view = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
        if address.startswith("api/") and hasattr(view, "post") and "(?P" not in address:
            yield fill(address)
    yield from ("/api/webhooks/stripe", f"{AUTH}/auth/login", f"{AUTH}/auth/signup")


class TestHeaders:
    @pytest.mark.parametrize(
        "told", ["garbage", "1.2.3.4, garbage", "", ", ,", "::1%eth0", "1.2.3.4:80", "\x00", "1" * 5000]
    )
    def test_that_name_no_address_are_no_failure(self, told: str, settings: Any) -> None:
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
        client = APIClient(HTTP_X_FORWARDED_FOR=told)
        for path in ("/api/credits/plans", "/api/me"):
            assert client.get(path).status_code < 500
        assert client.post(f"{AUTH}/auth/login", {"email": "a@smartspec.test", "password": "x"}).status_code < 500
        assert client.get("/accounts/login/").status_code < 500

    def test_that_a_client_wrote_itself_do_not_buy_new_guesses(self, alice: Any, settings: Any) -> None:
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
        statuses = [
            APIClient(HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, 192.0.2.1")
            .post(f"{AUTH}/auth/login", {"email": f"u{number}@smartspec.test", "password": "wrong"})
            .status_code
            for number in range(40)
        ]
        assert statuses[-1] == 429

    @pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
    def test_do_not_turn_one_method_into_another(self, name: str, alice_client: APIClient) -> None:
        assert alice_client.post("/api/me", {}, headers={name: "DELETE"}).status_code == 405
        assert alice_client.post("/api/me?_method=DELETE", {"_method": "DELETE"}).status_code == 405
        assert alice_client.get("/api/me").status_code == 200

    @pytest.mark.parametrize(
        "name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-User", "Remote-User"]
    )
    def test_open_no_other_address_and_make_nobody_somebody(self, name: str, alice: Any) -> None:
        assert APIClient().get("/api/me", headers={name: "/api/credits/plans"}).status_code == 401
        assert APIClient().get("/api/me", headers={name: alice.email}).status_code == 401

    def test_with_two_credentials_let_nobody_in(self, alice_client: APIClient) -> None:
        token = alice_client.defaults["HTTP_AUTHORIZATION"]
        for told in (f"{token}, Bearer x", f"Bearer x, {token}", f"{token} x", f"{token}, {token}"):
            assert APIClient(HTTP_AUTHORIZATION=told).get("/api/me").status_code == 401

    def test_have_no_stand_in_in_the_address(self, alice_client: APIClient) -> None:
        token = alice_client.defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        for name in ("token", "session_token", "access_token", "sessionid", "authorization", "api_key", "key"):
            assert APIClient().get(f"/api/me?{name}={token}").status_code == 401
            assert Client().get(f"/account?{name}={token}").status_code == 302

    def test_with_a_browsers_cookie_alone_do_not_open_the_api(self, alice: Any) -> None:
        browser = Client()
        browser.force_login(alice)
        assert browser.get("/account").status_code == 200
        assert browser.get("/api/me").status_code == 401
        assert browser.post("/api/payment/checkout/credits", {"credits_amount": 100}).status_code == 401

    @pytest.mark.parametrize(
        "cookie",
        [
            "sessionid=" + "a" * 4000,
            "sessionid=../../etc/passwd; csrftoken=x\x00y",
            'sessionid="; sessionid=x; Path=/',
            "django_language=../../x; messages=[[garbage",
            "=;=;;;",
        ],
    )
    def test_with_made_up_cookies_are_no_failure(self, cookie: str) -> None:
        browser = Client(HTTP_COOKIE=cookie)
        for path in ("/accounts/login/", "/account", "/api/me", "/admin/login/"):
            assert browser.get(path).status_code < 500

    @pytest.mark.parametrize(
        "kind",
        [
            "application/json; charset=nonsense",
            "application/json;;;",
            "",
            "text",
            "\x00",
            "multipart/form-data",
            "application/json; charset=utf-16",
        ],
    )
    def test_that_tell_another_type_are_no_failure(self, kind: str, alice_client: APIClient) -> None:
        for path in ("/api/credits/quote", f"{AUTH}/auth/login", "/api/webhooks/stripe"):
            answer = alice_client.generic("POST", path, '{"operation": "image_generation"}', content_type=kind)
            assert answer.status_code < 500, path

    @pytest.mark.parametrize(
        "accepts", ["text/html", "application/xml", "nonsense", "*/*;q=x", "application/json;q=0", ""]
    )
    def test_that_accept_something_else_are_answered_all_the_same(self, accepts: str, alice_client: APIClient) -> None:
        for path in ("/api/me", "/api/credits/balance?format=xml", "/api/nothing"):
            answer = alice_client.get(path, headers={"Accept": accepts})
            assert answer.status_code in (200, 404), answer.status_code
            assert answer["Content-Type"] in ("application/json", "application/problem+json")

    @pytest.mark.parametrize("length", ["-1", "", "99999999999999999999"])  # no number: the web server refuses it
    def test_that_lie_about_the_length_are_no_failure(self, length: str, alice_client: APIClient) -> None:
        for path in ("/api/credits/quote", f"{AUTH}/auth/login", "/api/webhooks/stripe", "/accounts/login/"):
            answer = alice_client.generic("POST", path, "{}", content_type="application/json", CONTENT_LENGTH=length)
            assert answer.status_code < 500, path


class TestBodies:
    def test_that_are_too_large_are_refused_everywhere(self, alice_client: APIClient) -> None:
        body = '{"a": "' + "x" * 10_000_000 + '"}'
        found = {path: alice_client.generic("POST", path, body, content_type="application/json") for path in posts()}
        statuses = {path: answer.status_code for path, answer in found.items()}
        read = {path for path, status in statuses.items() if status not in REFUSED_UNREAD}
        assert len(read) > 20
        # Of Stripe's calls, what fails is counted by its cause and is 400.
        assert {path for path in read if statuses[path] != 413} == {"/api/webhooks/stripe"}

    def test_that_are_nested_deeply_are_refused_everywhere(self, alice_client: APIClient) -> None:
        for body in (DEEP, DEEP[: len(DEEP) // 2], '{"a":' * 100_000, '{"a": ' + DEEP + "}", '{"email": ' + DEEP + "}"):
            for path in posts():
                answer = alice_client.generic("POST", path, body, content_type="application/json")
                assert 400 <= answer.status_code < 500, path

    def test_of_forms_with_thousands_of_fields_are_refused(self) -> None:
        fields = {f"field{number}": "x" for number in range(5000)}
        assert Client().post("/accounts/login/", fields).status_code in (400, 413)
        assert Client().post("/accounts/login/", {"login": "x" * 2_000_000}).status_code in (400, 413)

    def test_of_no_sense_are_no_failure_on_any_page(self, ids: Ids, alice: Any) -> None:
        browser = Client(raise_request_exception=False)
        pages = [address for address, _ in addresses() if re.match(r"(account|accounts|pay)(/|$)", address)]
        assert len(pages) > 40
        browser.force_login(alice)
        for value in NONSENSE:
            for address in pages:
                for method in ("get", "post"):
                    answer = getattr(browser, method)(fill(address), dict.fromkeys(NAMES, value))
                    assert answer.status_code < 500, (method, address, value)
                    if "_auth_user_id" not in browser.session:
                        browser.force_login(alice)


class TestUnaskedFields:
    def test_change_nothing_of_a_sign_up(self) -> None:
        body = {"email": "eve@smartspec.test", "password": PASSWORD, **WISHES, "id": 1, "plan": "enterprise"}
        assert APIClient().post(f"{AUTH}/auth/signup", body).status_code in (200, 401)
        eve = User.objects.get(email="eve@smartspec.test")
        assert (eve.is_staff, eve.is_superuser, eve.groups.count()) == (False, False, 0)
        assert not EmailAddress.objects.filter(user=eve, verified=True).exists()

    def test_change_no_price_and_no_credits_of_a_checkout(self, ids: Ids, alice_client: APIClient) -> None:
        answer = alice_client.post("/api/payment/checkout/credits", {"credits_amount": 100, **WISHES})
        assert answer.status_code == 200
        purchase = Purchase.objects.order_by("-created_at").first()
        assert purchase is not None
        assert (purchase.credits, purchase.bonus_credits, purchase.price_cents) == (100, 5, 900)
        assert (purchase.state, purchase.paid_cents) == ("open", None)

    def test_of_the_address_do_not_stand_in_for_those_of_the_body(self, ids: Ids, alice_client: APIClient) -> None:
        answer = alice_client.post("/api/payment/checkout/credits?credits_amount=100", {})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "credits_amount")
        twice = alice_client.get("/api/credits/transactions?limit=1&limit=9999")
        assert (twice.status_code, twice.json()["errors"][0]["attr"]) == (400, "limit")  # the last one alone is read

    def test_change_no_price_of_a_hold(self, ids: Ids, worker_client: APIClient) -> None:
        order = {"user_id": ids["user_id"][0], "operation": "video_generation", "reference_id": "job", **WISHES}
        answer = worker_client.post("/api/credits/holds", order | {"credits": 0}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
        assert answer.json()["credits"] == 5

    def test_change_neither_owner_nor_secret_of_a_key(
        self, ids: Ids, alice: Any, bob: Any, alice_client: APIClient
    ) -> None:
        body = {"name": "mine", "scopes": ["read"], **WISHES, "user": str(bob.pk), "user_id": str(bob.pk)}
        answer = alice_client.post("/api/keys", body)
        assert answer.status_code == 201
        key = ApiKey.objects.get(pk=answer.json()["id"])
        assert key.user_id == alice.pk
        assert answer.json()["key"] != WISHES["key"]
        assert not answer.json()["prefix"].startswith("ours")

    @pytest.mark.parametrize("scopes", [["credits:spend"], ["read", "credits:spend"], ["*"], ["admin"], []])
    def test_give_an_own_key_no_scope_of_services(self, ids: Ids, alice_client: APIClient, scopes: list[str]) -> None:
        assert alice_client.post("/api/keys", {"name": "mine", "scopes": scopes}).status_code == 400

    def test_change_no_place_of_a_file(self, ids: Ids, alice: Any, alice_client: APIClient) -> None:
        body = {"filename": "../../x.png", "content_type": "image/png", "size_bytes": 10, "kind": "image", **WISHES}
        answer = alice_client.post("/api/media/assets", body)
        assert answer.status_code == 201
        asset = answer.json()["asset"]
        assert re.fullmatch(rf"generations/{alice.pk}/[\w-]+\.png", asset["key"])
        assert asset["status"] != "fulfilled"


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/static/../manage.py",
            "/static/..%2fmanage.py",
            "/static/%2e%2e/manage.py",
            "/static//etc/passwd",
            "/static/..\\manage.py",
            "/api/keys/..%2f..%2fme",
            "/api/media/assets/..%2f..%2f..%2fetc%2fpasswd",
            "/api/payment/checkout/..%2fcredits",
            *("/static/", "/static/smartspec/", "/.git/config", "/.env", "/static/.gitkeep~", "/manage.py", "/media/"),
            "/sandbox/mail/..%2f..%2fprocesses.json",
            "/sandbox/r2/smartspec-media/..%2f..%2fx",
            "/account%00",
        ],
    )
    def test_lead_out_of_no_folder(self, path: str, alice_client: APIClient) -> None:
        answer = alice_client.get(path)
        assert 400 <= answer.status_code < 500, answer.status_code


class TestLeadingElsewhere:
    @pytest.mark.parametrize("where", ["https://evil.example/x", "//evil.example/x", "/\\evil.example"])
    def test_is_done_by_no_address(self, where: str, alice: Any) -> None:
        asked = dict.fromkeys(LEADING, where)
        others = re.compile(r"(api|sandbox|admin/.+/.+)(/|$)|.*\(\?P")
        pages = [address for address, _ in addresses() if not others.match(address)]
        assert len(pages) > 50
        for is_known in (False, True):
            browser = Client()
            for address in pages:
                for method in ("get", "post"):
                    if is_known and "_auth_user_id" not in browser.session:
                        browser.force_login(alice)
                    answer = getattr(browser, method)(fill(address), asked)
                    assert "evil.example" not in urlsplit(answer.headers.get("Location", "").replace("\\", "/")).netloc
                    if not answer.streaming:
                        assert not re.search(rb'(?:href|action)="[^"?]*evil', answer.content), address
