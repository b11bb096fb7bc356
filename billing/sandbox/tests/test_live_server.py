"""Stripe's client library over a real socket, as an outside program uses it."""

import pathlib
import subprocess
import sys
from typing import Any

import pytest
import stripe
from django.conf import settings

from billing.sandbox.seed import seed
from billing.sandbox.services import checkout
from billing.sandbox.tests.whole_life import CARD
from smartspec import clock


@pytest.mark.django_db(transaction=True)
class TestStripeClient:
    def test_buys_a_subscription(self, live_server: Any) -> None:
        seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
        client = stripe.StripeClient(
            "sk_test_anything", base_addresses={"api": f"{live_server.url}/sandbox/stripe"}, max_network_retries=0
        )
        customer = client.v1.customers.create(params={"email": "zoë@example.com", "name": "Zoë [Test] & Co"})
        assert customer.name == "Zoë [Test] & Co"
        session = client.v1.checkout.sessions.create(
            params={
                "mode": "subscription",
                "customer": customer.id,
                "success_url": "https://example.com/?session_id={CHECKOUT_SESSION_ID}",
                "line_items": [{"price": "price_smartspec_pro_yearly", "quantity": 1}],
            }
        )
        checkout.pay_with_card(session_id=session.id, card=CARD, now=clock.now())
        paid: Any = client.v1.checkout.sessions.retrieve(session.id, params={"expand": ["subscription"]})
        assert paid.subscription.status == "active"
        assert paid.last_response.request_id.startswith("req_")
        with pytest.raises(stripe.AuthenticationError):
            stripe.StripeClient(
                "sk_live_anything", base_addresses={"api": f"{live_server.url}/sandbox/stripe"}
            ).v1.customers.list()


@pytest.mark.django_db(transaction=True)
class TestOutsideProgram:
    """https://docs.stripe.com/billing/testing/test-clocks"""

    def test_sees_what_it_would_see_at_stripe(self, live_server: Any) -> None:
        seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
        ended = subprocess.run(
            [sys.executable, "-m", "outside_program", f"{live_server.url}/sandbox/stripe"],
            cwd=pathlib.Path(__file__).parent,  # from where it can import nothing of this project
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert len(ended.stdout.splitlines()) == 15
