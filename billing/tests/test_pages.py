"""The pages that a person without the app buys on, and those that Stripe leads back to."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.models import Purchase, Subscription
from billing.sandbox import store
from billing.tests.conftest import open_credits, open_plan, pay, pay_later, settle_debit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices_browser(alice: Any) -> Client:
    """Alice's browser, signed in."""
    client = Client()
    client.force_login(alice)
    return client


class TestBuyPage:
    def test_needs_a_log_in(self) -> None:
        for path in ("/account", "/account/buy", "/account/plans", "/account/transactions", "/account/billing"):
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

    def test_refuses_a_post_from_elsewhere(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert client.post("/account/buy", {"credits_amount": "100"}).status_code == 403

    @pytest.mark.parametrize(
        ("amount", "step", "shown", "cents"),
        [("137", "", "137", 1233), ("100", "", "100", 900), ("137", "50", "187", 1683), ("20", "-50", "10", 100)],
    )
    def test_tells_the_price_of_any_amount(
        self, alices_browser: Client, alice_client: APIClient, amount: str, step: str, shown: str, cents: int
    ) -> None:
        page = alices_browser.get("/account/buy", {"credits_amount": amount, "step": step}).content.decode()
        assert f'data-quote-cents="{cents}"' in page
        assert f'name="credits_amount" value="{shown}"><button' in page
        quote = alice_client.get("/api/payment/quote", {"credits_amount": shown}).json()
        assert quote["price"] == cents / 100

    def test_names_a_package_that_gives_more(self, alices_browser: Client) -> None:
        page = alices_browser.get("/account/buy", {"credits_amount": "95"}).content.decode()
        assert "Basic gives 105 credits for $9." in page

    def test_shows_saved_cards_and_that_stripe_is_down(
        self, alices_browser: Client, alice_client: APIClient, settings: Any
    ) -> None:
        assert "No cards yet" in alices_browser.get("/account/buy/cards").content.decode()
        pay(open_plan(alice_client))
        assert "•••• 4242" in alices_browser.get("/account/buy/cards").content.decode()
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        assert "cannot be reached" in alices_browser.get("/account/buy/cards").content.decode()


class TestOverview:
    def test_hears_of_a_plan_that_is_cancelled_or_past_due_though_no_credits_move(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscription_id = subscribe(alice_client)
        mark = alices_browser.get("/account").context["mark"]
        assert alices_browser.get("/account", {"seen": mark}).status_code == 204
        alices_browser.post("/account/plans/cancel", {"subscription_id": subscription_id})
        cancelled = alices_browser.get("/account", {"seen": mark})
        assert "Ends" in cancelled.content.decode()
        Subscription.objects.update(status="past_due")
        failed = alices_browser.get("/account", {"seen": cancelled.context["mark"]})
        assert "did not go through" in failed.content.decode()


class TestPlansPage:
    def test_sells_cancels_and_resumes(
        self, alices_browser: Client, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        assert "Subscribe yearly" in alices_browser.get("/account/plans?interval=yearly").content.decode()
        answer = alices_browser.post("/account/plans", {"plan": "pro", "interval": "monthly"})
        assert answer.status_code == 303
        pay(answer["Location"].rsplit("/", 1)[1])
        run_jobs()
        page = alices_browser.get("/account/plans").content.decode()
        assert "Subscribe" not in page
        subscription_id = alice_client.get("/api/payment/subscription").json()["id"]
        assert "All credits that you bought" in alices_browser.get("/account/plans/cancel").content.decode()
        cancelled = alices_browser.post(
            "/account/plans/cancel", {"subscription_id": subscription_id, "reason": "too_expensive"}, follow=True
        )
        assert "It ends on" in cancelled.content.decode()
        assert store.get("subscription", subscription_id)["cancellation_details"]["feedback"] == "too_expensive"
        resumed = alices_browser.post("/account/plans/resume", {"subscription_id": subscription_id}, follow=True)
        assert "It ends on" not in resumed.content.decode()

    def test_shows_what_an_upgrade_costs_before_it_is_made(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        wanted = {"plan": "enterprise", "interval": "monthly"}
        preview = alices_browser.get("/account/plans/change", wanted)
        due_cents = int(preview.context["answer"].amount_due)
        assert due_cents > 0
        assert alice_client.get("/api/payment/subscription").json()["plan"] == "pro"
        confirmed = wanted | {"key": str(preview.context["key"])}
        done = alices_browser.post("/account/plans/change", confirmed, follow=True)
        assert "You are on Enterprise now." in done.content.decode()
        assert alice_client.get("/api/payment/subscription").json()["plan"] == "enterprise"
        paid = [invoice["amount_paid"] for invoice in alice_client.get("/api/payment/invoices").json()["invoices"]]
        alices_browser.post("/account/plans/change", confirmed, follow=True)  # the second click
        assert len(alice_client.get("/api/payment/invoices").json()["invoices"]) == len(paid) == 2

    def test_schedules_a_downgrade_and_takes_it_back(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        wanted = {"plan": "pro", "interval": "monthly"}
        preview = alices_browser.get("/account/plans/change", wanted)
        assert "you keep Enterprise until then" in preview.content.decode()
        done = alices_browser.post("/account/plans/change", wanted | {"key": str(preview.context["key"])}, follow=True)
        assert "Your plan changes to <strong>Pro</strong>" in done.content.decode()
        undone = alices_browser.post("/account/plans/undo", {"subscription_id": subscription_id}, follow=True)
        assert "The change was taken back." in undone.content.decode()
        assert alice_client.get("/api/payment/subscription").json()["pending_change"] is None

    def test_refuses_a_change_without_a_plan_or_a_preview(self, alices_browser: Client) -> None:
        for answer in (
            alices_browser.get("/account/plans/change", {"plan": "pro", "interval": "monthly"}),
            alices_browser.post("/account/plans/change", {"plan": "pro", "interval": "monthly"}),
            alices_browser.get("/account/plans/cancel"),
        ):
            assert (answer.status_code, answer["Location"]) == (302, "/account/plans")

    def test_opens_the_portal(self, alices_browser: Client) -> None:
        answer = alices_browser.post("/account/portal")
        assert answer.status_code == 302
        assert "/sandbox/stripe/" in answer["Location"]

    def test_refuses_a_plan_that_is_not_for_sale(self, alices_browser: Client) -> None:
        page = alices_browser.post(
            "/account/plans", {"plan": "gold", "interval": "monthly"}, follow=True
        ).content.decode()
        assert "Choose a plan and how to pay." in page

    def test_cannot_cancel_what_is_somebody_elses(self, alices_browser: Client) -> None:
        page = alices_browser.post("/account/plans/cancel", {"subscription_id": "sub_x"}, follow=True).content.decode()
        assert "This is not yours, or it is gone." in page


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
        assert "smartspec://paid" not in page.split("<main")[0]
        pay_later(session_id)
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert 'data-state="processing"' in page

    @pytest.mark.parametrize(
        ("outcome", "leads_to"),
        [(None, "smartspec://paid"), ("succeed", "smartspec://paid"), ("fail", "smartspec://no")],
    )
    def test_leads_to_where_cancelling_leads_only_when_nothing_came_of_it(
        self, alice_client: APIClient, outcome: str | None, leads_to: str
    ) -> None:
        session_id = open_credits(alice_client, 100, success_url="smartspec://paid", cancel_url="smartspec://no")
        pay_later(session_id)
        if outcome:
            settle_debit(session_id, outcome)
        page = Client().get("/pay/return", {"session_id": session_id}).content.decode()
        assert re.findall('id="lead-on" href="([^"]*)"', page) == [leads_to]

    def test_is_asked_by_htmx_whether_anything_changed(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client)
        question = {"session_id": session_id, "seen": "open"}
        answer = Client().get("/pay/return", question, headers={"HX-Request": "true"})
        assert (answer.status_code, "HX-Refresh" in answer) == (204, False)
        pay(session_id)
        answer = Client().get("/pay/return", question, headers={"HX-Request": "true"})
        assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")

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


class TestBillingPage:
    def test_lists_invoices_and_cards(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        empty = alices_browser.get("/account/billing").content.decode()
        assert "No invoices yet." in empty
        assert "No cards yet." in empty
        subscribe(alice_client)
        page = alices_browser.get("/account/billing").content.decode()
        invoice = alice_client.get("/api/payment/invoices").json()["invoices"][0]
        assert invoice["number"] in page
        assert invoice["invoice_pdf"] in page
        assert "Pays renewals" in page
        assert "$29" in page

    def test_says_that_stripe_is_down(self, alices_browser: Client, alice_client: APIClient, settings: Any) -> None:
        open_credits(alice_client)
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        answer = alices_browser.get("/account/billing")
        assert answer.status_code == 200
        assert "cannot be reached" in answer.content.decode()

    def test_makes_a_card_the_default_and_removes_another(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        (card,) = alice_client.get("/api/payment/payment-methods").json()["payment_methods"]
        made = alices_browser.post(f"/account/billing/cards/{card['id']}/default", follow=True)
        assert "Renewals are paid by this card" in made.content.decode()
        removed = alices_browser.post(f"/account/billing/cards/{card['id']}/remove", follow=True)
        assert "The card was removed." in removed.content.decode()
        assert alice_client.get("/api/payment/payment-methods").json()["payment_methods"] == []

    def test_touches_nobody_elses_card(
        self, alices_browser: Client, bob_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(bob_client)
        (card,) = bob_client.get("/api/payment/payment-methods").json()["payment_methods"]
        refused = alices_browser.post(f"/account/billing/cards/{card['id']}/remove", follow=True)
        assert "This is not yours, or it is gone." in refused.content.decode()
        assert len(bob_client.get("/api/payment/payment-methods").json()["payment_methods"]) == 1


class TestButtons:
    """What changes something is done at a click alone; whoever had to sign in again is led back to the button."""

    @pytest.mark.parametrize(
        ("path", "page"),
        [
            ("/account/plans/undo", "/account/plans"),
            ("/account/plans/resume", "/account/plans"),
            ("/account/billing/cards/pm_1/default", "/account/billing"),
            ("/account/billing/cards/pm_1/remove", "/account/billing"),
            ("/account/portal", "/account/billing"),
            ("/account/viewing/end", "/account"),
            ("/account/plans/cancel", "/account/plans/cancel"),
            ("/account/plans/change", "/account/plans/change"),
            ("/account/buy", "/account/buy"),
        ],
    )
    def test_lead_to_their_page_after_a_log_in(self, path: str, page: str, alices_browser: Client) -> None:
        led = Client().post(path)
        assert (led.status_code, led["Location"]) == (302, f"/accounts/login/?next={page}")
        assert alices_browser.get(path, follow=True).status_code == 200
        assert alices_browser.put(path).status_code == 405


class TestPlanOnTheOverview:
    def test_is_the_one_that_the_api_tells(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        assert '<p class="plan-name" id="current-plan">Free</p>' in alices_browser.get("/account").content.decode()
        subscribe(alice_client)
        page = alices_browser.get("/account").content.decode()
        assert '<p class="plan-name" id="current-plan">Pro</p>' in page

    def test_warns_while_a_payment_is_due(
        self, alices_browser: Client, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        Subscription.objects.filter(pk=subscribe(alice_client)).update(status="past_due")
        for path in ("/account", "/account/plans", "/account/billing"):
            page = alices_browser.get(path).content.decode()
            assert "The payment for your Pro plan did not go through." in page
            assert 'href="/account/billing">Pay now' in page
