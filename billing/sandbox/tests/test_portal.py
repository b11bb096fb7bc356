"""The Customer Portal's services, which its pages call.

https://docs.stripe.com/customer-management
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.errors import CardDeclined, ResourceMissing
from billing.sandbox.services import checkout, portal
from smartspec import clock

Card = Callable[..., checkout.CardFields]


@pytest.fixture
def subscription(plan: Callable[..., stripe.checkout.Session], card: Card) -> dict[str, Any]:
    session = plan()
    paid = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now()).session
    return store.get("subscription", paid["subscription"])


@pytest.fixture
def session(client_of_stripe: stripe.StripeClient, subscription: dict[str, Any]) -> dict[str, Any]:
    opened = client_of_stripe.v1.billing_portal.sessions.create(
        params={"customer": subscription["customer"], "return_url": "https://example.com/account"}
    )
    return portal.find_session(opened.url.rpartition("/")[2], now=clock.now())


class TestSession:
    """https://docs.stripe.com/api/customer_portal/sessions/create"""

    def test_its_url_works_for_an_hour(self, session: dict[str, Any]) -> None:
        secret = session["url"].rpartition("/")[2]
        with pytest.raises(ResourceMissing):
            portal.find_session(secret, now=clock.now() + timedelta(hours=1, seconds=1))
        with pytest.raises(ResourceMissing):
            portal.find_session("test_guess", now=clock.now())

    def test_a_flow_for_anothers_subscription_is_refused(
        self, client_of_stripe: stripe.StripeClient, subscription: dict[str, Any]
    ) -> None:
        other = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.billing_portal.sessions.create(
                params={
                    "customer": other.id,
                    "flow_data": {
                        "type": "subscription_cancel",
                        "subscription_cancel": {"subscription": subscription["id"]},
                    },
                }
            )
        assert raised.value.code == "resource_missing"


class TestCards:
    """https://docs.stripe.com/customer-management"""

    def test_a_new_card_pays_from_now_on(self, session: dict[str, Any], card: Card) -> None:
        added = portal.add_card(session=session, card=card("5555555555554444"), now=clock.now())
        assert added["card"]["brand"] == "mastercard"
        assert portal.default_payment_method(session) == added["id"]
        assert portal.list_subscriptions(session)[0]["default_payment_method"] == added["id"]

    def test_a_refused_card_changes_nothing(self, session: dict[str, Any], card: Card) -> None:
        before = portal.default_payment_method(session)
        with pytest.raises(CardDeclined, match=r"Your card was declined\."):
            portal.add_card(session=session, card=card("4000000000000002"), now=clock.now())
        assert portal.default_payment_method(session) == before
        assert len(portal.list_payment_methods(session)) == 1


class TestCancelAndResume:
    """https://docs.stripe.com/customer-management/configure-portal"""

    def test_there_and_back(self, session: dict[str, Any], subscription: dict[str, Any]) -> None:
        cancelled = portal.cancel_subscription(
            session=session, subscription_id=subscription["id"], feedback="unused", now=clock.now()
        )
        end = subscription["items"]["data"][0]["current_period_end"]
        # https://docs.stripe.com/billing/subscriptions/billing-mode/compare: the moment, and not the flag
        assert (cancelled["cancel_at"], cancelled["cancel_at_period_end"]) == (end, False)
        assert cancelled["cancellation_details"]["feedback"] == "unused"
        resumed = portal.resume_subscription(session=session, subscription_id=subscription["id"], now=clock.now())
        assert resumed["cancel_at"] is None

    def test_never_anothers(self, client_of_stripe: stripe.StripeClient, subscription: dict[str, Any]) -> None:
        other = client_of_stripe.v1.customers.create(params={})
        opened = client_of_stripe.v1.billing_portal.sessions.create(params={"customer": other.id})
        session = store.get("billing_portal.session", opened.id)
        with pytest.raises(ResourceMissing):
            portal.cancel_subscription(session=session, subscription_id=subscription["id"], now=clock.now())
