"""Hosted Checkout, as a visitor without a script sees it.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.db import connection
from django.test import Client

from billing.sandbox import store
from billing.sandbox.services import checkout as checkout_services
from billing.sandbox.services.subscriptions import ENDED
from billing.sandbox.tests.pages import TYPED, check_page, path_of, pay, text_of
from smartspec import clock
from smartspec.testing import SetClock

OpenSession = Callable[..., stripe.checkout.Session]
AUTHENTICATION_FAILED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


@pytest.fixture
def visitor() -> Client:
    return Client()


def status_of(session: stripe.checkout.Session) -> tuple[str, str]:
    stored = store.get("checkout.session", session.id)
    return stored["status"], stored["payment_status"]


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
        assert "Pay by bank debit" not in text

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


class TestPayingByCard:
    """https://docs.stripe.com/testing#cards"""

    def test_leads_to_the_success_address_with_the_sessions_id(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        response = pay(visitor, session.url)
        assert response.status_code == 303
        assert response["Location"] == f"https://example.com/return?session_id={session.id}"
        assert status_of(session) == ("complete", "paid")

    def test_leads_to_an_apps_own_scheme(self, visitor: Client, package: OpenSession) -> None:
        session = package(success_url="smartspec://paid/{CHECKOUT_SESSION_ID}")
        assert pay(visitor, session.url)["Location"] == f"smartspec://paid/{session.id}"

    @pytest.mark.parametrize(
        ("number", "sentence"),
        [
            ("4000 0000 0000 0002", "Your card was declined."),
            ("4000000000009995", "Your card has insufficient funds."),
            ("4000000000000069", "Your card has expired."),
            ("4000000000000127", "Your card&#x27;s security code is incorrect."),
            ("4000000000000119", "An error occurred while processing your card. Try again in a little bit."),
        ],
    )
    def test_says_why_a_card_was_refused_and_takes_another(
        self, visitor: Client, package: OpenSession, number: str, sentence: str
    ) -> None:
        session = package()
        refused = pay(visitor, session.url, cardNumber=number)
        check_page(refused)
        assert refused.status_code == 200
        assert sentence in text_of(refused)
        assert status_of(session) == ("open", "unpaid")
        assert pay(visitor, session.url).status_code == 303
        assert status_of(session) == ("complete", "paid")

    def test_keeps_what_was_typed_except_the_security_code(self, visitor: Client, package: OpenSession) -> None:
        refused = text_of(pay(visitor, package().url, cardNumber="4000000000000002", cardCvc="987"))
        for value in ("4000000000000002", "12 / 34", "Alice Doe", "alice@example.com"):
            assert f'value="{value}"' in refused
        assert "987" not in refused

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ({"cardNumber": "4242"}, "Your card number is incomplete."),
            ({"cardNumber": ""}, "Your card number is incomplete."),
            ({"cardNumber": "4242424242424241"}, "Your card number is invalid."),
            ({"cardExpiry": "12 / 20"}, "Your card&#x27;s expiration year is in the past."),
            ({"cardExpiry": "13 / 34"}, "Your card&#x27;s expiration month is invalid."),
            ({"cardExpiry": "1"}, "Your card&#x27;s expiration date is incomplete."),
            ({"cardCvc": "12"}, "Your card&#x27;s security code is incomplete."),
            ({"cardCvc": ""}, "Your card&#x27;s security code is incomplete."),
            ({"email": "nobody"}, "Your email is invalid."),
            ({"email": ""}, "Your email is required."),
            ({"billingName": ""}, "The name on your card is required."),
        ],
    )
    def test_says_what_is_wrong_with_the_form(
        self, visitor: Client, package: OpenSession, typed: dict[str, str], sentence: str
    ) -> None:
        session = package()
        response = pay(visitor, session.url, **typed)
        check_page(response)
        assert sentence in text_of(response)
        assert 'aria-invalid="true"' in text_of(response)
        assert status_of(session) == ("open", "unpaid")
        assert store.find("payment_intent") == []

    def test_says_everything_that_is_wrong_at_once(self, visitor: Client, package: OpenSession) -> None:
        text = text_of(visitor.post(path_of(package().url), {}))
        assert text.count('aria-invalid="true"') == 5

    def test_starts_the_subscription_that_was_bought(self, visitor: Client, plan: OpenSession) -> None:
        session = plan()
        assert pay(visitor, session.url).status_code == 303
        stored = store.get("checkout.session", session.id)
        assert store.get("subscription", stored["subscription"])["status"] == "active"

    def test_pays_once_for_two_clicks(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        first, second = pay(visitor, session.url), pay(visitor, session.url)
        assert first["Location"] == second["Location"]
        assert len(store.find("charge", status="succeeded")) == 1

    @pytest.mark.django_db(transaction=True)
    def test_pays_once_for_two_clicks_at_the_same_time(self, package: OpenSession) -> None:
        session = package()
        answers: list[Any] = []

        def click() -> None:
            try:
                answers.append(pay(Client(), session.url))
            finally:
                connection.close()

        threads = [threading.Thread(target=click) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer["Location"] for answer in answers} == {f"https://example.com/return?session_id={session.id}"}
        assert len(answers) == 4
        assert len(store.find("charge")) == 1


class TestAuthentication:
    """https://docs.stripe.com/payments/3d-secure/authentication-flow"""

    def ask(self, visitor: Client, session: stripe.checkout.Session) -> str:
        """Pay with the card that asks for 3-D Secure and return the page's path."""
        response = pay(visitor, session.url, cardNumber="4000002500003155")
        assert response.status_code == 302
        check_page(visitor.get(response["Location"]))
        return str(response["Location"])

    @pytest.mark.parametrize("kind", ["package", "plan"])
    def test_pays_when_it_is_completed(self, visitor: Client, request: pytest.FixtureRequest, kind: str) -> None:
        session = request.getfixturevalue(kind)()
        page = self.ask(visitor, session)
        assert status_of(session) == ("open", "unpaid")
        response = visitor.post(page, {"outcome": "complete"})
        assert response["Location"] == f"https://example.com/return?session_id={session.id}"
        assert status_of(session) == ("complete", "paid")

    def test_leads_back_with_the_reason_when_it_fails(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        response = visitor.post(self.ask(visitor, session), {"outcome": "fail"}, follow=True)
        check_page(response)
        assert AUTHENTICATION_FAILED in text_of(response)
        assert status_of(session) == ("open", "unpaid")
        assert pay(visitor, session.url).status_code == 303
        assert status_of(session) == ("complete", "paid")

    def test_starts_no_subscription_when_it_fails(self, visitor: Client, plan: OpenSession) -> None:
        session = plan()
        visitor.post(self.ask(visitor, session), {"outcome": "fail"})
        assert store.find("subscription") == []

    def test_answers_a_second_click_as_the_first(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        page = self.ask(visitor, session)
        first, second = (visitor.post(page, {"outcome": "complete"}) for _ in range(2))
        assert first["Location"] == second["Location"]
        assert len(store.find("charge", status="succeeded")) == 1

    def test_leads_back_to_a_session_that_expired_meanwhile(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        session = package()
        page = self.ask(visitor, session)
        client_of_stripe.v1.checkout.sessions.expire(session.id)
        response = visitor.post(page, {"outcome": "complete"}, follow=True)
        assert "This checkout has expired" in text_of(response)
        assert store.find("charge", status="succeeded") == []


class TestClosedSession:
    """https://docs.stripe.com/api/checkout/sessions/expire"""

    def test_says_that_it_expired_and_leads_back(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        session = package()
        client_of_stripe.v1.checkout.sessions.expire(session.id)
        for response in (visitor.get(path_of(session.url)), pay(visitor, session.url)):
            assert response.status_code == 410
            page = check_page(response)
            assert "This checkout has expired" in text_of(response)
            assert "https://example.com/cancel" in page.links

    def test_expires_when_its_time_is_over(self, visitor: Client, package: OpenSession, set_clock: SetClock) -> None:
        session = package()
        later = clock.now() + timedelta(hours=25)
        set_clock(later)
        assert visitor.get(path_of(session.url)).status_code == 410
        assert status_of(session) == ("expired", "unpaid")

    def test_says_that_it_was_paid_and_leads_on(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        pay(visitor, session.url)
        response = visitor.get(path_of(session.url))
        page = check_page(response)
        assert "You&#x27;re all done here" in text_of(response)
        assert f"https://example.com/return?session_id={session.id}" in page.links


class TestBankDebit:
    """https://docs.stripe.com/payments/ach-direct-debit"""

    def start(self, visitor: Client, session: stripe.checkout.Session, account_number: str = "") -> Any:
        typed = {"email": "alice@example.com", "billingName": "Alice Doe", "accountNumber": account_number}
        check_page(visitor.get(f"{path_of(session.url)}/bank"))
        return visitor.post(f"{path_of(session.url)}/bank", typed)

    def test_places_the_order_unpaid(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        response = self.start(visitor, session)
        assert response["Location"] == f"https://example.com/return?session_id={session.id}"
        assert status_of(session) == ("complete", "unpaid")

    @pytest.mark.parametrize(
        ("outcome", "payment_status", "event"),
        [
            ("succeed", "paid", "checkout.session.async_payment_succeeded"),
            ("fail", "unpaid", "checkout.session.async_payment_failed"),
        ],
    )
    def test_is_settled_by_hand(
        self, visitor: Client, package: OpenSession, outcome: str, payment_status: str, event: str
    ) -> None:
        session = package()
        self.start(visitor, session)
        page = visitor.get(path_of(session.url))
        assert len(check_page(page).submits) == 2
        intent = store.find("payment_intent")[0]
        assert intent["id"] in text_of(visitor.get("/sandbox/stripe/"))
        settle = f"/sandbox/stripe/debits/{intent['id']}"
        response = visitor.post(settle, {"outcome": outcome, "next": path_of(session.url)}, follow=True)
        assert check_page(response).submits == []
        assert status_of(session) == ("complete", payment_status)
        assert len(store.find("event", name=event)) == 1
        other = "fail" if outcome == "succeed" else "succeed"
        assert visitor.post(settle, {"outcome": other}).status_code == 302
        assert status_of(session) == ("complete", payment_status)

    def test_is_answered_by_its_test_account(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        self.start(visitor, session, "000222222227")
        checkout_services.settle_bank_debit(session_id=session.id, now=clock.now())
        assert status_of(session) == ("complete", "unpaid")
        assert "has refused the debit" in text_of(visitor.get(path_of(session.url)))

    def test_leads_nowhere_but_to_the_sandbox(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        self.start(visitor, session)
        settle = f"/sandbox/stripe/debits/{store.find('payment_intent')[0]['id']}"
        response = visitor.post(settle, {"outcome": "succeed", "next": "https://evil.example"})
        assert response["Location"] == "/sandbox/stripe/"

    def test_is_not_offered_for_subscriptions(self, visitor: Client, plan: OpenSession) -> None:
        session = plan()
        assert visitor.get(f"{path_of(session.url)}/bank")["Location"] == path_of(session.url)


class TestPromotionCode:
    """https://docs.stripe.com/payments/checkout/discounts"""

    def test_lowers_the_price(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        coupon = client_of_stripe.v1.coupons.create(params={"percent_off": 50, "duration": "once"})
        client_of_stripe.v1.promotion_codes.create(
            params={"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"}
        )
        session = package(allow_promotion_codes=True)
        page = f"{path_of(session.url)}/promotion-code"
        check_page(visitor.get(page))
        refused = visitor.post(page, {"promotionCode": "NOPE", "action": "apply"})
        check_page(refused)
        assert "This code is invalid." in text_of(refused)
        response = visitor.post(page, {"promotionCode": "half", "action": "apply"}, follow=True)
        check_page(response)
        assert "Pay $4.50" in text_of(response)
        assert "Pay $9.00" in text_of(visitor.post(page, {"action": "remove"}, follow=True))

    def test_of_everything_needs_no_card(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        coupon = client_of_stripe.v1.coupons.create(params={"percent_off": 100, "duration": "once"})
        session = package(discounts=[{"coupon": coupon.id}])
        assert "cardNumber" not in text_of(visitor.get(path_of(session.url)))
        assert visitor.post(path_of(session.url), {"email": "alice@example.com"}).status_code == 303
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
