"""A seeded sandbox, and Stripe's own client library talking to it."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from django.conf import settings

from billing.sandbox.client import build_client
from billing.sandbox.seed import seed
from billing.sandbox.services.checkout import CardFields
from smartspec import clock

WEBHOOK_PATH = "/api/webhooks/stripe"


@pytest.fixture
def sandbox(db: None) -> None:
    """The account, the plans and the webhook endpoint, as `make run` has them."""
    seed(clock.now(), f"{settings.SITE_URL}{WEBHOOK_PATH}")


@pytest.fixture
def client_of_stripe(sandbox: None) -> stripe.StripeClient:
    """stripe-python, in-process."""
    return build_client(settings.STRIPE_SECRET_KEY)


@pytest.fixture
def card() -> Callable[..., CardFields]:
    """Make what someone typed on the hosted page."""

    def make(number: str = "4242424242424242", **fields: Any) -> CardFields:
        typed = {"expiry": "12 / 34", "cvc": "123", "name": "Alice Doe", "email": "alice@example.com"} | fields
        return CardFields(number=number, **typed)

    return make


@pytest.fixture
def package(client_of_stripe: stripe.StripeClient) -> Callable[..., stripe.checkout.Session]:
    """Open a session that sells a package of credits for $9, as billing does."""

    def open_session(**params: Any) -> stripe.checkout.Session:
        given: dict[str, Any] = {
            "mode": "payment",
            "success_url": "https://example.com/return?session_id={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://example.com/cancel",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 900,
                        "product_data": {"name": "100 credits", "metadata": {"package": "basic"}},
                    },
                }
            ],
            "invoice_creation": {"enabled": True, "invoice_data": {"metadata": {"purchase_id": "p1"}}},
            "payment_intent_data": {"metadata": {"purchase_id": "p1"}},
            "metadata": {"purchase_id": "p1", "user_id": "u1"},
        }
        return client_of_stripe.v1.checkout.sessions.create(params={**given, **params})  # type: ignore[arg-type]

    return open_session


@pytest.fixture
def plan(client_of_stripe: stripe.StripeClient) -> Callable[..., stripe.checkout.Session]:
    """Open a session that sells a subscription to Pro."""

    def open_session(price: str = "price_smartspec_pro_monthly", **params: Any) -> stripe.checkout.Session:
        given: dict[str, Any] = {
            "mode": "subscription",
            "success_url": "https://example.com/return?session_id={CHECKOUT_SESSION_ID}",
            "line_items": [{"price": price, "quantity": 1}],
            "subscription_data": {"metadata": {"user_id": "u1"}},
            "metadata": {"user_id": "u1"},
        }
        return client_of_stripe.v1.checkout.sessions.create(params={**given, **params})  # type: ignore[arg-type]

    return open_session


def emitted_types() -> list[str]:
    """Return the types of all events so far, oldest first."""
    from billing.sandbox import store

    return [row.name for row in reversed(list(store.rows("event").order_by("-number")))]
