"""The Customer Portal and the pages of invoices.

https://docs.stripe.com/customer-management
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.test import Client

from billing.sandbox import store
from billing.sandbox.tests.pages import TYPED, check_page, path_of, pay, text_of
from smartspec import clock
from smartspec.testing import SetClock

OpenSession = Callable[..., stripe.checkout.Session]
OpenPortal = Callable[..., str]


@pytest.fixture
def visitor() -> Client:
    return Client()


@pytest.fixture
def subscription(visitor: Client, plan: OpenSession) -> dict[str, Any]:
    """What a customer has who paid for Pro with 4242."""
    session = plan()
    pay(visitor, session.url)
    return store.get("subscription", store.get("checkout.session", session.id)["subscription"])


@pytest.fixture
def open_portal(subscription: dict[str, Any], client_of_stripe: stripe.StripeClient) -> OpenPortal:
    """Open the subscriber's portal and return its path."""

    def open_session(**params: Any) -> str:
        given = {"customer": subscription["customer"], "return_url": "https://example.com/account"}
        created = client_of_stripe.v1.billing_portal.sessions.create(params={**given, **params})  # type: ignore[arg-type]
        return path_of(created.url)

    return open_session


def current(subscription: dict[str, Any]) -> dict[str, Any]:
    return store.get("subscription", subscription["id"])


class TestPortalHome:
    """https://docs.stripe.com/customer-management/configure-portal"""

    def test_shows_plan_card_and_invoices(self, visitor: Client, open_portal: OpenPortal) -> None:
        response = visitor.get(open_portal())
        page = check_page(response)
        text = text_of(response)
        for words in ("Pro", "$29.00", "per month", "Your plan renews on", "Visa •••• 4242", "Expires 12 / 34"):
            assert words in text
        assert "https://example.com/account" in page.links
        assert any(re.fullmatch(r"/sandbox/stripe/invoice/in_\w+", link) for link in page.links)
        assert any(link.endswith("/pdf") for link in page.links)

    def test_cancels_at_the_periods_end_and_takes_it_back(
        self, visitor: Client, open_portal: OpenPortal, subscription: dict[str, Any]
    ) -> None:
        portal = open_portal()
        response = visitor.post(portal, {"action": "cancel", "subscription": subscription["id"]}, follow=True)
        check_page(response)
        assert "Your subscription has been cancelled." in text_of(response)
        assert "Don&#x27;t cancel subscription" in text_of(response) or "Don't cancel subscription" in text_of(response)
        assert "Your plan ends on" in text_of(response)
        assert current(subscription)["cancel_at"] == subscription["items"]["data"][0]["current_period_end"]
        assert current(subscription)["status"] == "active"

        response = visitor.post(portal, {"action": "resume", "subscription": subscription["id"]}, follow=True)
        assert "Your plan renews on" in text_of(response)
        assert current(subscription)["cancel_at"] is None

    def test_adds_a_card_and_pays_with_it_from_then_on(
        self, visitor: Client, open_portal: OpenPortal, subscription: dict[str, Any]
    ) -> None:
        portal = open_portal()
        form = check_page(visitor.get(f"{portal}/card"))
        assert {each["name"] for each in form.inputs} == {"cardNumber", "cardExpiry", "cardCvc", "billingName"}
        assert len(form.submits) == 1
        response = visitor.post(f"{portal}/card", TYPED | {"cardNumber": "5555555555554444"}, follow=True)
        check_page(response)
        assert "Mastercard •••• 4444" in text_of(response)
        added = store.get("payment_method", current(subscription)["default_payment_method"])
        assert added["card"]["last4"] == "4444"

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ({"cardNumber": "4000000000000002"}, "Your card was declined."),
            ({"cardNumber": "4242"}, "Your card number is incomplete."),
            ({"cardExpiry": "12 / 20"}, "expiration year is in the past."),
        ],
    )
    def test_says_why_a_card_cannot_be_saved(
        self, visitor: Client, open_portal: OpenPortal, typed: dict[str, str], sentence: str
    ) -> None:
        response = visitor.post(f"{open_portal()}/card", TYPED | typed)
        check_page(response)
        assert sentence in text_of(response)
        assert len(store.find("payment_method", customer__startswith="cus_")) == 1

    def test_makes_another_card_the_default_and_removes_one(
        self, visitor: Client, open_portal: OpenPortal, subscription: dict[str, Any]
    ) -> None:
        portal, first = open_portal(), subscription["default_payment_method"]
        visitor.post(f"{portal}/card", TYPED | {"cardNumber": "5555555555554444"})
        second = current(subscription)["default_payment_method"]
        visitor.post(portal, {"action": "set_default", "payment_method": first})
        assert current(subscription)["default_payment_method"] == first
        response = visitor.post(portal, {"action": "remove", "payment_method": second}, follow=True)
        assert "4444" not in text_of(response)

    def test_keeps_the_card_that_the_plan_is_paid_with(
        self, visitor: Client, open_portal: OpenPortal, subscription: dict[str, Any]
    ) -> None:
        method = {"action": "remove", "payment_method": subscription["default_payment_method"]}
        response = visitor.post(open_portal(), method)
        check_page(response)
        assert "cannot be removed" in text_of(response)

    def test_shows_nobody_elses(
        self,
        visitor: Client,
        open_portal: OpenPortal,
        subscription: dict[str, Any],
        client_of_stripe: stripe.StripeClient,
    ) -> None:
        stranger = client_of_stripe.v1.customers.create(params={"email": "eve@example.com"})
        portal = open_portal(customer=stranger.id)
        text = text_of(visitor.get(portal))
        assert "4242" not in text
        assert "There is no subscription." in text
        for form in (
            {"action": "cancel", "subscription": subscription["id"]},
            {"action": "set_default", "payment_method": subscription["default_payment_method"]},
            {"action": "remove", "payment_method": subscription["default_payment_method"]},
        ):
            visitor.post(portal, form)
        assert current(subscription) == subscription
        assert visitor.get(f"{portal}/cancel/{subscription['id']}").status_code == 404

    def test_escapes_the_customers_name(
        self,
        visitor: Client,
        open_portal: OpenPortal,
        subscription: dict[str, Any],
        client_of_stripe: stripe.StripeClient,
    ) -> None:
        name = "<img src=x onerror=alert(1)>"
        client_of_stripe.v1.customers.update(subscription["customer"], params={"name": name})
        response = visitor.get(open_portal())
        check_page(response)
        assert "&lt;img src=x" in text_of(response)

    def test_says_so_when_the_link_is_wrong_or_too_old(
        self, visitor: Client, open_portal: OpenPortal, set_clock: SetClock
    ) -> None:
        portal = open_portal()
        assert visitor.get("/sandbox/stripe/portal/test_wrong").status_code == 404
        later = clock.now() + timedelta(hours=1, seconds=1)
        set_clock(later)
        for path in (portal, f"{portal}/card"):
            response = visitor.get(path)
            assert response.status_code == 404
            check_page(response)
            assert "This link has expired" in text_of(response)

    def test_refuses_a_post_without_a_token(self, open_portal: OpenPortal, subscription: dict[str, Any]) -> None:
        strict = Client(enforce_csrf_checks=True)
        form = {"action": "cancel", "subscription": subscription["id"]}
        assert strict.post(open_portal(), form).status_code == 403
        assert current(subscription)["cancel_at"] is None


class TestBillingDetails:
    """https://docs.stripe.com/api/customer_portal/configurations/create#create_portal_configuration-features-customer_update"""

    @pytest.fixture
    def form(self, open_portal: OpenPortal, client_of_stripe: stripe.StripeClient) -> str:
        """The form of a portal in which details may be changed."""
        allowed: Any = {"customer_update": {"enabled": True, "allowed_updates": ["email", "name", "address"]}}
        made = client_of_stripe.v1.billing_portal.configurations.create(params={"features": allowed})
        return f"{open_portal(configuration=made.id)}/details"

    def test_are_changed_without_making_an_address_up(
        self, visitor: Client, form: str, subscription: dict[str, Any]
    ) -> None:
        check_page(visitor.get(form))
        customer = subscription["customer"]
        nowhere = dict.fromkeys(("line1", "line2", "postal_code", "city", "state", "country"), "")
        shown = visitor.post(form, {"name": "Alice Q. Doe", "email": "alice@example.com", **nowhere}, follow=True)
        check_page(shown)
        assert "Your billing details have been saved." in text_of(shown)
        assert "Address" not in text_of(shown)
        assert store.get("customer", customer)["name"] == "Alice Q. Doe"
        assert store.get("customer", customer)["address"] is None
        shown = visitor.post(form, {"line1": "1 Main Street", "country": "US"}, follow=True)
        assert "1 Main Street" in text_of(shown)
        assert store.get("customer", customer)["address"]["country"] == "US"
        visitor.post(form, nowhere)
        assert store.get("customer", customer)["address"] is None

    def test_refuse_an_address_that_no_mail_reaches(self, visitor: Client, form: str) -> None:
        refused = visitor.post(form, {"email": "nobody"})
        check_page(refused)
        assert "Your email is invalid." in text_of(refused)


class TestPortalFlow:
    """https://docs.stripe.com/customer-management/portal-deep-links"""

    def test_opens_the_card_form(self, visitor: Client, open_portal: OpenPortal) -> None:
        response = visitor.get(open_portal(flow_data={"type": "payment_method_update"}), follow=True)
        page = check_page(response)
        assert "cardNumber" in {each["name"] for each in page.inputs}
        assert "https://example.com/account" in page.links

    def test_cancels_the_subscription_and_leads_where_it_was_told(
        self, visitor: Client, open_portal: OpenPortal, subscription: dict[str, Any]
    ) -> None:
        flow = {
            "type": "subscription_cancel",
            "subscription_cancel": {"subscription": subscription["id"]},
            "after_completion": {"type": "redirect", "redirect": {"return_url": "https://example.com/cancelled"}},
        }
        response = visitor.get(open_portal(flow_data=flow), follow=True)
        check_page(response)
        assert "Cancel subscription" in text_of(response)
        answer = visitor.post(response.request["PATH_INFO"], {"action": "cancel"})
        assert answer["Location"] == "https://example.com/cancelled"
        assert current(subscription)["cancel_at"] == subscription["items"]["data"][0]["current_period_end"]


class TestInvoicePage:
    """https://docs.stripe.com/billing/invoices/workflow"""

    def test_shows_what_was_paid(self, visitor: Client, subscription: dict[str, Any]) -> None:
        invoice = store.get("invoice", subscription["latest_invoice"])
        response = visitor.get(path_of(invoice["hosted_invoice_url"]))
        page = check_page(response)
        for words in ("Paid", "$29.00", invoice["number"], "Visa •••• 4242"):
            assert words in text_of(response)
        assert page.submits == []
        receipt = next(link for link in page.links if "/receipt/" in link)
        check_page(visitor.get(receipt))

    def test_gives_a_pdf(self, visitor: Client, subscription: dict[str, Any]) -> None:
        invoice = store.get("invoice", subscription["latest_invoice"])
        response = visitor.get(path_of(invoice["invoice_pdf"]))
        assert response["Content-Type"] == "application/pdf"
        document = response.content
        assert document.startswith(b"%PDF-1.4")
        assert document.endswith(b"%%EOF\n")
        start = int(document.split(b"startxref\n")[1].split(b"\n")[0])
        assert document[start:].startswith(b"xref\n")
        entries = document[start:].split(b"\n")[3:]
        for number, entry in enumerate(entries, start=1):
            if not entry.endswith(b" n "):
                break
            assert document[int(entry.split()[0]) :].startswith(f"{number} 0 obj".encode())
        assert invoice["number"].encode() in document

    def test_of_a_draft_or_a_stranger_is_not_there(self, visitor: Client, sandbox: None) -> None:
        for path in ("invoice/in_unknown", "invoice/in_unknown/pdf", "receipt/ch_unknown"):
            response = visitor.get(f"/sandbox/stripe/{path}")
            assert response.status_code == 404
            check_page(response)

    def test_takes_a_card_while_it_is_open(
        self, visitor: Client, sandbox: None, client_of_stripe: stripe.StripeClient
    ) -> None:
        customer = client_of_stripe.v1.customers.create(params={"email": "alice@example.com"})
        draft = client_of_stripe.v1.invoices.create(params={"customer": customer.id, "auto_advance": False})
        client_of_stripe.v1.invoice_items.create(
            params={"customer": customer.id, "invoice": draft.id, "amount": 1234, "currency": "usd"}
        )
        client_of_stripe.v1.invoices.finalize_invoice(draft.id)
        path = f"/sandbox/stripe/invoice/{draft.id}"
        assert "Pay $12.34" in text_of(visitor.get(path))
        refused = pay(visitor, path, cardNumber="4000000000000002")
        check_page(refused)
        assert "Your card was declined." in text_of(refused)
        asked = pay(visitor, path, cardNumber="4000002500003155")
        failed = visitor.post(asked["Location"], {"outcome": "fail"}, follow=True)
        assert "We are unable to authenticate your payment method." in text_of(failed)
        asked = pay(visitor, path, cardNumber="4000002500003155")
        paid = visitor.post(asked["Location"], {"outcome": "complete"}, follow=True)
        assert check_page(paid).submits == []
        assert store.get("invoice", draft.id)["status"] == "paid"


class TestOverview:
    def test_explains_the_cards_and_lists_what_happened(
        self, visitor: Client, package: OpenSession, run_jobs: Callable[[], int]
    ) -> None:
        session = package()
        pay(visitor, session.url)
        response = visitor.get("/sandbox/stripe/")
        check_page(response)
        text = text_of(response)
        for words in (
            "4242 4242 4242 4242",
            "4000 0025 0000 3155",
            session.id[:20],
            "checkout.session.completed",
            "waiting",
        ):
            assert words in text
        event = store.find("event", name="checkout.session.completed")[0]
        assert f"/sandbox/stripe/events/{event['id']}" in text
        response = visitor.get(f"/sandbox/stripe/events/{event['id']}")
        check_page(response)
        assert session.id in text_of(response)
        assert visitor.get("/sandbox/stripe/events/evt_unknown").status_code == 404

    def test_works_while_nothing_has_happened(self, visitor: Client, db: None) -> None:
        check_page(visitor.get("/sandbox/stripe/"))
