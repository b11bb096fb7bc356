"""Support at their desk, in a browser on the running product: a payment that brought nothing, and a dispute."""

import pytest
from playwright.sync_api import Page, expect

from smartspec.management.commands.seed_demo import DEMO_PEOPLE
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

SUPPORT = "support@smartspec.test"
BUYER = "person-0000@crowd.smartspec.test"  # paid, and the webhook failed


@pytest.fixture
def desk(page: Page, product: Product) -> Page:
    """Support, signed in, where there is a crowd."""
    made = product.manage("seed_demo", "--users", "1")
    assert made.returncode == 0, made.stderr
    page.set_default_timeout(15_000)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{product.url}/accounts/login/?next=/admin/")
    page.fill("input[name=login]", SUPPORT)
    page.fill("input[name=password]", DEMO_PEOPLE[SUPPORT]["password"])
    page.click("main button[type=submit]")
    page.wait_for_url(f"{product.url}/admin/")
    return page


def open_row(page: Page, text: str) -> None:
    page.click(f"#result_list tr:has-text('{text}') a >> nth=0")
    page.wait_for_url("**/change/**")


class TestDesk:
    def test_puts_right_a_payment_and_follows_a_dispute(self, desk: Page, product: Product) -> None:
        page = desk
        # They write: "I paid and got nothing."
        page.goto(f"{product.url}/admin/billing/webhook/?q={BUYER}")
        open_row(page, "checkout.session.completed")
        expect(page.locator("body")).to_contain_text("StripeUnavailable")
        page.click("a:has-text('Replay')")
        page.select_option("select[name=reason]", "paid_not_credited")
        page.fill("textarea[name=note]", "Ticket 7")
        page.click("button:has-text('Replay')")
        page.wait_for_url("**/change/**")
        for _ in range(20):
            if page.locator("text=+100 (purchase), +5 (bonus)").count():
                break
            page.wait_for_timeout(500)
            page.reload()
        expect(page.locator("body")).to_contain_text("+100 (purchase), +5 (bonus)")

        # Their bank disputes the payment, and wins.
        for step, state in (("open", "needs response"), ("lose", "lost")):
            played = product.manage("sandbox", "dispute", BUYER, "--step", step)
            assert played.returncode == 0, played.stderr
            for _ in range(20):
                page.goto(f"{product.url}/admin/billing/dispute/?q={BUYER}")
                if page.locator(f"#result_list tr:has-text('{state}')").count():
                    break
                page.wait_for_timeout(500)
            expect(page.locator("#result_list")).to_contain_text(state)
        expect(page.locator("#result_list")).to_contain_text("frozen")  # until staff lift it
        open_row(page, BUYER)
        expect(page.locator("body")).to_contain_text("100")
