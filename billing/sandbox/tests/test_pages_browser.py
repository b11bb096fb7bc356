"""The hosted pages in Chromium without a script, on a phone and at a desk, on the running product.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from smartspec.testing import Product

pytestmark = pytest.mark.browser

WIDTHS = {"phone": 360, "desk": 1280}
SUCCESS = "/healthz?session_id={CHECKOUT_SESSION_ID}"


@pytest.fixture(params=WIDTHS)
def scriptless(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page whose browser runs no script; what it complains about fails the test."""
    size: Any = {"width": WIDTHS[request.param], "height": 800}
    context = browser.new_context(java_script_enabled=False, viewport=size)
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Chromium asks for a favicon of the page that stands for the merchant's; only our own pages matter here.
        if message.type == "error" and "favicon" not in message.location.get("url", ""):
            complaints.append(message.text)

    page.on("console", note)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def remote(product: Product) -> stripe.StripeClient:
    """stripe-python, over HTTP, as any program outside would call."""
    return stripe.StripeClient("sk_test_" + "0" * 24, base_addresses={"api": f"{product.url}/sandbox/stripe"})


def fill(page: Page, number: str) -> None:
    page.fill("input[name=cardNumber]", number)
    page.fill("input[name=cardExpiry]", "12 / 34")
    page.fill("input[name=cardCvc]", "123")
    page.fill("input[name=billingName]", "Alice Doe")
    page.click("button[type=submit]")


def check_fits(page: Page) -> None:
    """Nothing may stand out of the window on the right."""
    assert page.viewport_size is not None
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


class TestHostedPages:
    def test_sell_and_show_a_subscription_without_a_script(
        self, scriptless: Page, product: Product, remote: stripe.StripeClient
    ) -> None:
        page = scriptless
        customer = remote.v1.customers.create(params={"email": "alice@example.com", "name": "Alice Doe"})
        session = remote.v1.checkout.sessions.create(
            params={
                "mode": "subscription",
                "customer": customer.id,
                "success_url": product.url + SUCCESS,
                "line_items": [{"price": "price_smartspec_pro_monthly", "quantity": 1}],
            }
        )
        page.goto(str(session.url))
        check_fits(page)
        fill(page, "4000 0000 0000 0002")
        expect(page.locator("main")).to_contain_text("Your card was declined.")
        check_fits(page)
        fill(page, "4000 0025 0000 3155")
        check_fits(page)
        page.click("text=Complete")
        page.wait_for_url(f"**/healthz?session_id={session.id}")

        portal = remote.v1.billing_portal.sessions.create(
            params={"customer": customer.id, "return_url": f"{product.url}/healthz"}
        )
        page.goto(portal.url)
        check_fits(page)
        page.click("text=Cancel subscription")
        check_fits(page)
        page.click("button:has-text('Cancel subscription')")
        expect(page.locator("main")).to_contain_text("does not renew")
        page.click("text=Don't cancel subscription")
        expect(page.locator("main")).to_contain_text("renews on")
        page.click("text=View")
        check_fits(page)
        expect(page.locator("main")).to_contain_text("$29.00")
