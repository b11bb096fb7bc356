"""Hosted Checkout: paying by card, with 3-D Secure where the card asks for it.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

import threading
from typing import Any

import pytest
import stripe
from django.db import connection
from django.test import Client

from billing.sandbox import store
from billing.sandbox.tests.pages import check_page, path_of, pay, text_of
from billing.sandbox.tests.test_pages_checkout.conftest import OpenSession, status_of

AUTHENTICATION_FAILED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


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
