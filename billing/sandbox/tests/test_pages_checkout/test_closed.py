"""Hosted Checkout: a session that takes no payment any more.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

from datetime import timedelta

import stripe
from django.test import Client

from billing.sandbox.tests.pages import check_page, path_of, pay, text_of
from billing.sandbox.tests.test_pages_checkout.conftest import OpenSession, status_of
from smartspec import clock
from smartspec.testing import SetClock


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
