"""Hosted Checkout: paying by bank debit, which the bank answers later.

https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment
"""

from typing import Any

import pytest
import stripe
from django.test import Client

from billing.sandbox import cards, store
from billing.sandbox.services import debits, payments, timekeeping
from billing.sandbox.tests.pages import check_page, path_of, text_of
from billing.sandbox.tests.test_pages_checkout.conftest import OpenSession, status_of
from smartspec import clock


class TestBankDebit:
    """https://docs.stripe.com/payments/ach-direct-debit"""

    def start(
        self, visitor: Client, session: stripe.checkout.Session, account_number: str = cards.ANSWERED_BY_HAND
    ) -> Any:
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
        timekeeping.pass_time(now=clock.now() + payments.SETTLES_AFTER)
        assert status_of(session) == ("complete", "unpaid")
        assert "has refused the debit" in text_of(visitor.get(path_of(session.url)))

    def test_leads_nowhere_but_to_the_sandbox(self, visitor: Client, package: OpenSession) -> None:
        session = package()
        self.start(visitor, session)
        settle = f"/sandbox/stripe/debits/{store.find('payment_intent')[0]['id']}"
        response = visitor.post(settle, {"outcome": "succeed", "next": "https://evil.example"})
        assert response["Location"] == "/sandbox/stripe/"

    @pytest.mark.parametrize(("outcome", "status"), [("succeed", "active"), ("fail", "canceled")])
    def test_pays_for_a_subscription_that_is_active_meanwhile(
        self, visitor: Client, plan: OpenSession, outcome: Any, status: str
    ) -> None:
        """https://docs.stripe.com/billing/subscriptions/ach-debit"""
        session = plan()
        assert "Pay by bank debit" in text_of(visitor.get(path_of(session.url)))
        self.start(visitor, session)
        assert status_of(session) == ("complete", "unpaid")
        (subscription,) = store.find("subscription")
        assert subscription["status"] == "active"
        debits.settle_debit(store.find("payment_intent")[0]["id"], outcome=outcome, now=clock.now())
        assert store.get("subscription", subscription["id"])["status"] == status

    def test_is_not_offered_for_what_begins_free(self, visitor: Client, plan: OpenSession) -> None:
        session = plan(subscription_data={"trial_period_days": 7})
        assert visitor.get(f"{path_of(session.url)}/bank")["Location"] == path_of(session.url)
