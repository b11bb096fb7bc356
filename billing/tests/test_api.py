"""The doors of /api/payment/…, and the exact shape of its answers."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway
from billing.sandbox import store
from billing.tests.conftest import open_credits, pay

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
BASE = "/api/payment/"

# method, path, a good body; what belongs to somebody else is named where there is something to name
PRIVATE = [
    ("get", "quote?credits_amount=100", None),
    ("post", "checkout/subscription", {"plan": "pro"}),
    ("post", "checkout/credits", {"credits_amount": 100}),
    ("get", "checkout/cs_test_1", None),
    ("get", "subscription", None),
    ("post", "subscription/cancel", {"subscription_id": "sub_1"}),
    ("post", "subscription/reactivate", {"subscription_id": "sub_1"}),
    ("post", "subscription/change-plan", {"subscription_id": "sub_1", "new_plan": "pro"}),
    ("post", "subscription/cancel-change", {"subscription_id": "sub_1"}),
    ("post", "billing-portal", {"return_url": "smartspec://back"}),
    ("get", "payment-methods", None),
    ("delete", "payment-methods/pm_1", None),
    ("post", "payment-methods/pm_1/default", {}),
    ("get", "invoices", None),
    ("get", "invoices/upcoming", None),
]
PUBLIC = [("get", "config", None), ("get", "packages", None)]


def is_problem(answer: Any, status: int, code: str | None = None) -> bool:
    body = answer.json()
    assert answer.status_code == status, body
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert code in (None, body["code"])
    return True


class TestDoors:
    @pytest.mark.parametrize(("method", "path", "body"), PRIVATE)
    def test_are_closed_to_nobody(self, anonymous_client: APIClient, method: str, path: str, body: Any) -> None:
        answer = getattr(anonymous_client, method)(BASE + path, body)
        assert is_problem(answer, 401)
        assert answer["WWW-Authenticate"]

    @pytest.mark.parametrize(("method", "path", "body"), PRIVATE)
    def test_are_closed_to_services(self, worker_client: APIClient, method: str, path: str, body: Any) -> None:
        assert is_problem(getattr(worker_client, method)(BASE + path, body), 403)

    @pytest.mark.parametrize(("method", "path", "body"), [*PRIVATE, *PUBLIC])
    def test_open_to_their_own_method_alone(self, alice_client: APIClient, method: str, path: str, body: Any) -> None:
        for other in {"get", "post", "put", "patch", "delete"} - {method}:
            if (other, path) == ("get", "payment-methods/pm_1"):
                continue
            assert is_problem(getattr(alice_client, other)(BASE + path), 405, "method_not_allowed")

    @pytest.mark.parametrize(("method", "path", "body"), [row for row in PRIVATE if row[2]])
    @pytest.mark.parametrize("garbage", ["{", "[]", '"x"', "17", "null"])
    def test_refuse_a_body_that_is_no_object(
        self, alice_client: APIClient, method: str, path: str, body: Any, garbage: str
    ) -> None:
        answer = alice_client.generic(method.upper(), BASE + path, garbage, content_type="application/json")
        assert is_problem(answer, 400)

    @pytest.mark.parametrize(("method", "path", "body"), PUBLIC)
    def test_stand_open_where_the_contract_says_so(
        self, anonymous_client: APIClient, method: str, path: str, body: Any
    ) -> None:
        ended = APIClient(HTTP_AUTHORIZATION="Bearer long-ended")
        lapsed = APIClient(HTTP_AUTHORIZATION="Api-Key long-lapsed")
        for client in (anonymous_client, ended, lapsed):
            assert getattr(client, method)(BASE + path).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [row for row in PRIVATE if row[1].startswith(("checkout/s", "checkout/credits", "billing-portal"))],
    )
    def test_say_502_while_stripe_is_down_and_leave_nothing_half_done(
        self, alice_client: APIClient, settings: Any, method: str, path: str, body: Any
    ) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        assert is_problem(getattr(alice_client, method)(BASE + path, body), 502, "stripe_unavailable")
        assert store.rows("checkout.session").count() == 0

    @pytest.mark.parametrize(("method", "path", "body"), [("get", "config", None), PRIVATE[2], PRIVATE[9]])
    def test_say_503_while_payments_are_not_configured(
        self, alice_client: APIClient, settings: Any, method: str, path: str, body: Any
    ) -> None:
        settings.STRIPE_SECRET_KEY = ""
        assert is_problem(getattr(alice_client, method)(BASE + path, body), 503, "payments_not_configured")

    def test_say_503_for_a_key_that_stripe_does_not_know(self, alice_client: APIClient, settings: Any) -> None:
        settings.STRIPE_SECRET_KEY = "no_key_of_stripes"
        answer = alice_client.post(f"{BASE}checkout/credits", {"credits_amount": 100})
        assert is_problem(answer, 503, "payments_not_configured")
        assert "no_key_of_stripes" not in answer.content.decode()


class TestOthersThings:
    def test_are_404(
        self, alice_client: APIClient, bob_client: APIClient, run_jobs: Callable[[], int], subscribe: Subscribe
    ) -> None:
        subscribe(alice_client)
        subscribe(bob_client)
        session_id = open_credits(alice_client)
        pay(session_id)
        run_jobs()
        card = alice_client.get(f"{BASE}payment-methods").json()["payment_methods"][0]["id"]
        invoice = alice_client.get(f"{BASE}invoices").json()["invoices"][0]["id"]
        for method, path in (
            ("get", f"checkout/{session_id}"),
            ("delete", f"payment-methods/{card}"),
            ("post", f"payment-methods/{card}/default"),
            ("get", f"invoices?starting_after={invoice}"),
        ):
            assert is_problem(getattr(bob_client, method)(BASE + path), 404, "not_found")
        assert len(alice_client.get(f"{BASE}payment-methods").json()["payment_methods"]) == 1

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", "checkout/cs_test_unknown"),
            ("get", "checkout/%00"),
            ("delete", "payment-methods/pm_unknown"),
            ("post", "payment-methods/pm_unknown/default"),
            ("get", "invoices?starting_after=in_unknown"),
        ],
    )
    def test_are_404_when_they_are_nobodys(self, alice_client: APIClient, method: str, path: str) -> None:
        assert is_problem(getattr(alice_client, method)(BASE + path), 404, "not_found")


class TestCatalogue:
    def test_config(self, anonymous_client: APIClient, settings: Any) -> None:
        assert anonymous_client.get(f"{BASE}config").json() == {
            "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
            "currency": "usd",
            "livemode": False,
        }

    def test_packages(self, anonymous_client: APIClient) -> None:
        answer = anonymous_client.get(f"{BASE}packages").json()
        assert answer["custom"] == {"min_credits": 10, "max_credits": 10_000, "price_per_credit": 0.1}
        assert answer["packages"][1] == {
            "id": "basic",
            "name": "Basic",
            "credits": 100,
            "bonus_credits": 5,
            "price": 9,
            "currency": "usd",
            "price_per_credit": 0.09,
            "is_popular": True,
            "is_best_value": False,
        }
        assert [package["price"] for package in answer["packages"]] == [5, 9, 20, 35, 60, 250]

    def test_quote_of_a_custom_amount(self, alice_client: APIClient) -> None:
        assert alice_client.get(f"{BASE}quote?credits_amount=137").json() == {
            "credits_amount": 137,
            "bonus_credits": 0,
            "total_credits": 137,
            "price": 12.33,
            "currency": "usd",
            "package": None,
            "better_package": None,
        }

    def test_quote_of_a_package_and_of_what_a_package_beats(self, alice_client: APIClient) -> None:
        quote = alice_client.get(f"{BASE}quote?credits_amount=100").json()
        assert (quote["package"], quote["bonus_credits"], quote["total_credits"], quote["price"]) == (
            "basic",
            5,
            105,
            9,
        )
        quote = alice_client.get(f"{BASE}quote?credits_amount=999").json()
        assert (quote["package"], quote["better_package"], quote["price"]) == (None, "business", 60)

    @pytest.mark.parametrize("amount", ["9", "10001", "12.5", "-1", "true", "", "1e3", "١٠٠", "0x64"])
    def test_quote_refuses_what_is_no_amount(self, alice_client: APIClient, amount: str) -> None:
        answer = alice_client.get(f"{BASE}quote", {"credits_amount": amount})
        assert is_problem(answer, 400)
        assert answer.json()["errors"][0]["attr"] == "credits_amount"


class TestCards:
    def test_lists_them_and_the_one_that_renews(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        assert alice_client.get(f"{BASE}payment-methods").json() == {"payment_methods": []}
        subscribe(alice_client)
        (card,) = alice_client.get(f"{BASE}payment-methods").json()["payment_methods"]
        assert card == {
            "id": card["id"],
            "brand": "visa",
            "last4": "4242",
            "exp_month": 12,
            "exp_year": 2034,
            "is_default": True,
        }

    def test_another_can_be_made_the_default_and_the_first_removed(
        self, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        (first,) = alice_client.get(f"{BASE}payment-methods").json()["payment_methods"]
        customer = store.get("subscription", subscription_id)["customer"]
        second = gateway.client().v1.payment_methods.attach("pm_card_mastercard", {"customer": customer}).id
        assert alice_client.post(f"{BASE}payment-methods/{second}/default").status_code == 204
        cards = alice_client.get(f"{BASE}payment-methods").json()["payment_methods"]
        assert {card["id"]: card["is_default"] for card in cards} == {first["id"]: False, second: True}
        assert alice_client.delete(f"{BASE}payment-methods/{first['id']}").status_code == 204
        assert is_problem(alice_client.delete(f"{BASE}payment-methods/{first['id']}"), 404)
        cards = alice_client.get(f"{BASE}payment-methods").json()["payment_methods"]
        assert [card["id"] for card in cards] == [second]


class TestInvoices:
    def test_pages_through_them_newest_first(self, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        assert alice_client.get(f"{BASE}invoices").json() == {"invoices": [], "has_more": False}
        for amount in (50, 100, 250):
            pay(open_credits(alice_client, amount))
        run_jobs()
        page = alice_client.get(f"{BASE}invoices?limit=2").json()
        assert [invoice["amount_paid"] for invoice in page["invoices"]] == [2000, 900]
        assert page["has_more"] is True
        newest = page["invoices"][0]
        assert newest.keys() == {
            "id",
            "number",
            "amount_due",
            "amount_paid",
            "currency",
            "status",
            "created",
            "description",
            "invoice_pdf",
            "hosted_invoice_url",
        }
        assert (newest["status"], newest["currency"], newest["created"][-1]) == ("paid", "usd", "Z")
        assert "250 SmartSpec Pro credits" in newest["description"]
        rest = alice_client.get(f"{BASE}invoices?limit=2&starting_after={page['invoices'][-1]['id']}").json()
        assert [invoice["amount_paid"] for invoice in rest["invoices"]] == [500]
        assert rest["has_more"] is False

    @pytest.mark.parametrize("wanted", [{"new_plan": "enterprise"}, {"new_plan": "pro", "new_interval": "yearly"}])
    def test_describe_a_change_by_what_was_bought(
        self, alice_client: APIClient, subscribe: Subscribe, wanted: dict[str, str]
    ) -> None:
        alice_client.post(f"{BASE}subscription/change-plan", {"subscription_id": subscribe(alice_client), **wanted})
        lines = store.find("invoice")[0]["lines"]["data"]
        given_back, bought = sorted(lines, key=lambda line: int(line["amount"]))
        assert given_back["description"].startswith("Unused time")
        told = alice_client.get(f"{BASE}invoices").json()["invoices"][0]["description"]
        assert told == bought["description"]

    @pytest.mark.parametrize("limit", ["0", "101", "x", "-1"])
    def test_refuses_a_senseless_limit(self, alice_client: APIClient, limit: str) -> None:
        answer = alice_client.get(f"{BASE}invoices", {"limit": limit})
        assert is_problem(answer, 400)
        assert answer.json()["errors"][0]["attr"] == "limit"

    def test_upcoming_is_null_without_a_subscription_and_after_cancelling(
        self, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        assert alice_client.get(f"{BASE}invoices/upcoming").json() == {"upcoming_invoice": None}
        subscription_id = subscribe(alice_client)
        upcoming = alice_client.get(f"{BASE}invoices/upcoming").json()["upcoming_invoice"]
        assert (upcoming["amount_due"], upcoming["currency"]) == (2900, "usd")
        assert upcoming["next_payment_attempt"].endswith("Z")
        alice_client.post(f"{BASE}subscription/cancel", {"subscription_id": subscription_id})
        assert alice_client.get(f"{BASE}invoices/upcoming").json() == {"upcoming_invoice": None}


class TestPortal:
    def test_leads_back_by_our_own_page(self, alice_client: APIClient) -> None:
        answer = alice_client.post(f"{BASE}billing-portal", {"return_url": "smartspec://account"})
        assert answer.status_code == 200
        assert answer.json()["url"].startswith("http")
        (session,) = store.find("billing_portal.session")
        assert session["return_url"].endswith("/pay/back?to=smartspec%3A%2F%2Faccount")

    @pytest.mark.parametrize("body", [{}, {"return_url": ""}, {"return_url": "https://evil.example"}])
    def test_refuses_a_foreign_address(self, alice_client: APIClient, body: dict[str, Any]) -> None:
        answer = alice_client.post(f"{BASE}billing-portal", body)
        assert is_problem(answer, 400)
        assert answer.json()["errors"][0]["attr"] == "return_url"
