"""The pages that a person without the app buys on, and those that Stripe leads back to."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.sandbox import store
from billing.tests.conftest import open_credits, open_plan, pay, pay_later

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices_browser(alice: Any) -> Client:
    """Alice's browser, signed in."""
    client = Client()
    client.force_login(alice)
    return client


class TestBuyPage:
    def test_needs_a_log_in(self) -> None:
        for path in ("/account/buy", "/account/plans"):
            answer = Client().get(path)
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")

    def test_lists_what_is_for_sale(self, alices_browser: Client) -> None:
        page = alices_browser.get("/account/buy").content.decode()
        for text in ("Starter", "Best value", "Popular", "5,000", "$250", "$9", "10,000"):
            assert text in page

    def test_leads_to_the_hosted_checkout(self, alices_browser: Client) -> None:
        answer = alices_browser.post("/account/buy", {"credits_amount": "100"})
        assert answer.status_code == 303
        assert answer["Location"] == Purchase.objects.get().session_url

    @pytest.mark.parametrize("amount", ["", "9", "10001", "12.5", "x"])
    def test_says_what_is_wrong_with_an_amount(self, alices_browser: Client, amount: str) -> None:
        page = alices_browser.post("/account/buy", {"credits_amount": amount}, follow=True).content.decode()
        assert "Choose a whole number from 10 to 10,000." in page
        assert not Purchase.objects.exists()

    def test_says_that_stripe_is_down(self, alices_browser: Client, settings: Any) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        page = alices_browser.post("/account/buy", {"credits_amount": "100"}, follow=True).content.decode()
        assert "The payment provider cannot be reached." in page

    def test_has_no_inline_script_or_style(self, alices_browser: Client) -> None:
        for path in ("/account/buy", "/account/plans"):
            page = alices_browser.get(path).content.decode()
            assert "<script" not in page
            assert "style=" not in page
            assert " onclick" not in page

    def test_refuses_a_post_from_elsewhere(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert client.post("/account/buy", {"credits_amount": "100"}).status_code == 403


class TestPlansPage:
    def test_sells_cancels_and_resumes(
        self, alices_browser: Client, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        assert "Subscribe yearly" in alices_browser.get("/account/plans").content.decode()
        answer = alices_browser.post("/account/plans", {"plan": "pro", "interval": "monthly"})
        assert answer.status_code == 303
        pay(answer["Location"].rsplit("/", 1)[1])
        run_jobs()
        page = alices_browser.get("/account/plans").content.decode()
        assert "Subscribe yearly" not in page
        subscription_id = alice_client.get("/api/payment/subscription").json()["id"]
        cancelled = alices_browser.post("/account/plans/cancel", {"subscription_id": subscription_id}, follow=True)
        assert "It ends on" in cancelled.content.decode()
        resumed = alices_browser.post(
            "/account/plans/cancel", {"subscription_id": subscription_id, "resume": "1"}, follow=True
        )
        assert "It ends on" not in resumed.content.decode()

    def test_opens_the_portal(self, alices_browser: Client) -> None:
        answer = alices_browser.post("/account/portal")
        assert answer.status_code == 302
        assert "/sandbox/stripe/" in answer["Location"]

    def test_refuses_a_plan_that_is_not_for_sale(self, alices_browser: Client) -> None:
        page = alices_browser.post(
            "/account/plans", {"plan": "gold", "interval": "monthly"}, follow=True
        ).content.decode()
        assert "Choose a plan and an interval." in page

    def test_cannot_cancel_what_is_somebody_elses(self, alices_browser: Client) -> None:
        page = alices_browser.post("/account/plans/cancel", {"subscription_id": "sub_x"}, follow=True).content.decode()
        assert "You have no such subscription." in page


class TestReturnPage:
    def test_needs_no_log_in_and_fulfils(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100, success_url="smartspec://paid?s={CHECKOUT_SESSION_ID}")
        pay(session_id)
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert "105" in page
        assert 'data-state="fulfilled"' in page
        assert f'href="smartspec://paid?s={session_id}"' in page
        assert "alice" not in page  # what was bought and its state, nobody's name
        assert Purchase.objects.get().state == "fulfilled"

    def test_looks_again_by_itself_until_it_is_paid(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100, success_url="smartspec://paid")
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert '<meta http-equiv="refresh" content="5">' in page
        assert "smartspec://paid" not in page.split("<main>")[0]
        pay_later(session_id)
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert 'data-state="processing"' in page

    def test_shows_a_plan(self, alice_client: APIClient) -> None:
        session_id = open_plan(alice_client)
        pay(session_id)
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert "Pro plan, monthly" in page
        assert "500" in page

    def test_shows_what_we_know_while_stripe_is_down(self, alice_client: APIClient, settings: Any) -> None:
        session_id = open_credits(alice_client)
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        answer = Client().get("/pay/return", {"session_id": session_id})
        assert answer.status_code == 200
        assert "cannot be reached" in answer.content.decode()

    def test_says_that_a_payment_needs_review(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client)
        pay(session_id)
        store.save(store.get("checkout.session", session_id) | {"amount_subtotal": 1})
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert 'data-state="needs_review"' in page

    @pytest.mark.parametrize("query", ["", "?session_id=", "?session_id=cs_test_unknown", "?session_id=%00"])
    def test_is_404_for_an_unknown_session(self, query: str) -> None:
        assert Client().get(f"/pay/return{query}").status_code == 404


class TestCancelPage:
    def test_leads_back_to_the_payment_and_to_the_app(self, alice_client: APIClient) -> None:
        open_credits(alice_client, 100, cancel_url="smartspec://cancelled")
        purchase = Purchase.objects.get()
        page = Client().get("/pay/cancel", {"checkout": str(purchase.pk)}).content.decode()
        assert purchase.session_url in page
        assert 'href="smartspec://cancelled"' in page

    @pytest.mark.parametrize("checkout", ["", "x", "00000000-0000-0000-0000-000000000000"])
    def test_is_404_for_an_unknown_checkout(self, checkout: str) -> None:
        assert Client().get("/pay/cancel", {"checkout": checkout}).status_code == 404


class TestBackPage:
    def test_leads_on_to_an_allowed_address_alone(self) -> None:
        page = Client().get("/pay/back", {"to": "smartspec://account"}).content.decode()
        assert 'href="smartspec://account"' in page
        assert Client().get("/pay/back", {"to": "https://evil.example"}).status_code == 404
        assert Client().get("/pay/back").status_code == 404
