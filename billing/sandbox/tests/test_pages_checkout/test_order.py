"""Hosted Checkout: what its page shows of an order.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

import stripe
from django.test import Client

from billing.sandbox import store
from billing.sandbox.services.subscriptions import ENDED
from billing.sandbox.tests.pages import TYPED, check_page, path_of, pay, text_of
from billing.sandbox.tests.test_pages_checkout.conftest import OpenSession, status_of


class TestCheckoutPage:
    def test_shows_what_is_bought_and_stripes_own_fields(self, visitor: Client, package: OpenSession) -> None:
        response = visitor.get(path_of(package().url))
        page = check_page(response)
        names = {each["name"] for each in page.inputs}
        assert names == {"email", "cardNumber", "cardExpiry", "cardCvc", "billingName"}
        assert len(page.submits) == 1
        assert "Pay $9.00" in text_of(response)
        assert "100 credits" in text_of(response)
        assert "https://example.com/cancel" in page.links

    def test_names_price_and_interval_of_a_subscription(self, visitor: Client, plan: OpenSession) -> None:
        text = text_of(visitor.get(path_of(plan().url)))
        assert "Subscribe to SmartSpec Pro" in text
        assert "$29.00" in text
        assert "per month" in text
        assert "Pay by bank debit" in text

    def test_fixes_the_address_of_a_known_customer(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        customer = client_of_stripe.v1.customers.create(params={"email": "bob@example.com"})
        session = package(customer=customer.id)
        text = text_of(visitor.get(path_of(session.url)))
        assert 'value="bob@example.com" disabled' in text
        typed = {name: value for name, value in TYPED.items() if name != "email"}
        assert visitor.post(path_of(session.url), typed).status_code == 303
        assert store.get("checkout.session", session.id)["customer_details"]["email"] == "bob@example.com"

    def test_escapes_what_a_stranger_named(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        nasty = "<script>alert(1)</script>"
        customer = client_of_stripe.v1.customers.create(params={"email": "x@example.com", "name": nasty})
        price = {"currency": "usd", "unit_amount": 900, "product_data": {"name": nasty, "description": nasty}}
        session = package(customer=customer.id, line_items=[{"quantity": 1, "price_data": price}])
        response = visitor.get(path_of(session.url))
        check_page(response)
        assert "&lt;script&gt;" in text_of(response)
        refused = pay(visitor, session.url, cardNumber='"><script>alert(1)</script>')
        check_page(refused)

    def test_never_links_to_a_script(self, visitor: Client, package: OpenSession) -> None:
        session = package(cancel_url="javascript:alert(1)")
        assert "javascript:" not in text_of(visitor.get(path_of(session.url)))

    def test_lets_the_form_lead_to_the_merchants_address(self, visitor: Client, package: OpenSession) -> None:
        policy = visitor.get(path_of(package().url))["Content-Security-Policy"]
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
        assert "https://example.com" in directives["form-action"]
        assert "unsafe" not in policy

    def test_says_so_when_there_is_no_such_session(self, visitor: Client, sandbox: None) -> None:
        response = visitor.get("/sandbox/stripe/checkout/cs_test_unknown")
        assert response.status_code == 404
        check_page(response)

    def test_refuses_a_post_without_a_token(self, package: OpenSession) -> None:
        strict = Client(enforce_csrf_checks=True)
        session = package()
        assert pay(strict, session.url).status_code == 403
        assert status_of(session) == ("open", "unpaid")


class TestOrder:
    def test_shows_how_many_and_how_often(self, visitor: Client, package: OpenSession, plan: OpenSession) -> None:
        price = {"currency": "usd", "unit_amount": 900, "product_data": {"name": "100 credits"}}
        text = text_of(visitor.get(path_of(package(line_items=[{"quantity": 3, "price_data": price}]).url)))
        assert "Qty 3 × $9.00" in text
        assert "Pay $27.00" in text
        text = text_of(visitor.get(path_of(plan(price="price_smartspec_pro_yearly").url)))
        assert "Billed yearly" in text
        assert "per year" in text

    def test_of_a_card_to_be_saved_shows_no_amount(
        self, visitor: Client, client_of_stripe: stripe.StripeClient
    ) -> None:
        customer = client_of_stripe.v1.customers.create(params={"email": "alice@example.com"})
        session = client_of_stripe.v1.checkout.sessions.create(
            params={"mode": "setup", "customer": customer.id, "success_url": "https://example.com/", "currency": "usd"}
        )
        response = visitor.get(path_of(session.url))
        check_page(response)
        assert "Save card" in text_of(response)
        assert "$" not in text_of(response)
        assert pay(visitor, session.url).status_code == 303
        assert status_of(session) == ("complete", "no_payment_required")


class TestTrial:
    """https://docs.stripe.com/payments/checkout/free-trials"""

    def test_takes_a_card_and_no_money(self, visitor: Client, plan: OpenSession) -> None:
        session = plan(subscription_data={"trial_period_days": 14})
        text = text_of(visitor.get(path_of(session.url)))
        assert "14 days free, then $29.00 per month" in text
        assert "Start trial" in text
        assert pay(visitor, session.url).status_code == 303
        assert [each["status"] for each in store.find("subscription") if each["status"] not in ENDED] == ["trialing"]
