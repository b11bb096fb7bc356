"""A stranger with a browser: buys, is refused, authenticates, subscribes, cancels, on the running product."""

import re

import pytest
from playwright.sync_api import Page, expect

from smartspec.management.commands.seed_demo import DEMO_PEOPLE
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

EMAIL = "demo@smartspec.test"
FUTURE = "12 / 34"


@pytest.fixture
def page_signed_in(page: Page, product: Product) -> Page:
    page.set_default_timeout(15_000)
    page.goto(f"{product.url}/accounts/login/")
    page.fill("input[name=login]", EMAIL)
    page.fill("input[name=password]", DEMO_PEOPLE[EMAIL]["password"])
    page.click("main button[type=submit]")
    page.wait_for_url(re.compile(r"/account$"))
    return page


def open_checkout(page: Page, product: Product, package: str) -> None:
    """Click Buy on a package and wait for the hosted page."""
    page.goto(f"{product.url}/account/buy")
    page.click(f"#buy-{package}")
    page.wait_for_selector("input[name=cardNumber]")


def pay(page: Page, number: str) -> None:
    """Fill in the hosted page as a customer would, and press Pay."""
    if page.locator("input[name=email]:enabled").count():
        page.fill("input[name=email]", EMAIL)
    page.fill("input[name=cardNumber]", number)
    page.fill("input[name=cardExpiry]", FUTURE)
    page.fill("input[name=cardCvc]", "123")
    page.fill("input[name=billingName]", "Demo Customer")
    page.click("main button[type=submit]")


def available(page: Page, product: Product) -> float:
    """Return the available credits by the page that a person looks at."""
    page.goto(f"{product.url}/account/buy")
    return float(page.locator("[data-available-credits]").inner_text().replace(",", ""))


class TestBuying:
    def test_turns_a_payment_into_credits_within_two_seconds(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        before = available(page, product)
        open_checkout(page, product, "basic")
        pay(page, "4242 4242 4242 4242")
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("105", timeout=2_000)
        assert available(page, product) == before + 105
        for line in ("Received Stripe webhook", "Checkout completed", "Credits fulfilled"):
            assert line in product.output

    def test_tells_why_a_card_was_refused_and_takes_another(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        before = available(page, product)
        open_checkout(page, product, "starter")
        pay(page, "4000 0000 0000 0002")
        expect(page.locator("main")).to_contain_text("Your card was declined.")
        pay(page, "4000 0000 0000 9995")
        expect(page.locator("main")).to_contain_text("Your card has insufficient funds.")
        pay(page, "4242 4242 4242 4242")
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("50", timeout=2_000)
        assert available(page, product) == before + 50

    def test_asks_for_authentication(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        before = available(page, product)
        open_checkout(page, product, "starter")
        pay(page, "4000 0025 0000 3155")
        page.click("text=Fail")
        expect(page.locator("main")).to_contain_text("We are unable to authenticate your payment method.")
        assert available(page, product) == before
        open_checkout(page, product, "starter")
        pay(page, "4000 0025 0000 3155")
        page.click("text=Complete")
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("50", timeout=2_000)
        assert available(page, product) == before + 50


class TestSubscribing:
    def test_brings_the_plan_and_its_credits_until_cancelled(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        before = available(page, product)
        page.goto(f"{product.url}/account/plans")
        page.click("#subscribe-pro-monthly")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page, "4242 4242 4242 4242")
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("500", timeout=5_000)
        assert available(page, product) == before + 500
        assert "Subscription activated" in product.output

        page.goto(f"{product.url}/account/plans")
        expect(page.locator("#current-plan")).to_have_text("Pro")
        page.goto(f"{product.url}/account/billing")
        page.click("#open-portal")
        expect(page.locator("body")).to_contain_text("Cancel subscription")

        page.goto(f"{product.url}/account/plans")
        page.click("#cancel-plan")
        page.click("#confirm-cancel")
        expect(page.locator("main")).to_contain_text("It ends on")
        expect(page.locator("#current-plan")).to_have_text("Pro")


class TestAccountPages:
    """What the server's answers alone do not show: the pages as a person meets them, narrow and in Thai too."""

    def test_price_an_amount_while_it_is_typed(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        page.goto(f"{product.url}/account/buy")
        page.fill("#custom-amount", "137")
        expect(page.locator("#quote .price")).to_have_text("$12.33")
        page.fill("#custom-amount", "5")
        expect(page.locator("#quote")).to_contain_text("Choose a whole number from 10 to 10,000.")
        page.fill("#custom-amount", "100")
        expect(page.locator("#quote")).to_contain_text("+ 5 bonus")
        page.click("button[name=step][value='50']")
        expect(page.locator("#custom-amount")).to_have_value("150")

    def test_open_a_transaction_in_its_row(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in
        page.goto(f"{product.url}/account/transactions")
        page.locator("summary.entry").first.click()
        expect(page.locator("details[open] .entry-details")).to_contain_text("Balance before")

    def test_preview_a_change_make_it_and_take_it_back(self, page_signed_in: Page, product: Product) -> None:
        page = page_signed_in  # on Pro, which is cancelled, by the story above
        page.goto(f"{product.url}/account/plans")
        page.click("#resume-plan")
        page.click("#change-enterprise-monthly")
        expect(page.locator("[data-credits-granted]")).to_contain_text("4,500")
        page.click("#confirm-change")
        expect(page.locator("#current-plan")).to_have_text("Enterprise")
        page.click("#change-pro-monthly")
        page.click("#confirm-change")
        page.click("#undo-change")
        expect(page.locator("main")).to_contain_text("The change was taken back.")

    def test_fit_every_screen_in_both_languages_and_break_no_policy(
        self, page_signed_in: Page, product: Product
    ) -> None:
        page = page_signed_in
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        for language in ("English", "ภาษาไทย"):
            page.click(f".languages >> text={language}")
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                for path in (
                    "",
                    "/plans",
                    "/buy",
                    "/transactions",
                    "/billing",
                    "/plans/cancel",
                    "s/2fa/",
                    "s/sessions/",
                ):
                    page.goto(f"{product.url}/account{path}")
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (language, width, path)
            assert page.evaluate("document.documentElement.lang") == ("en" if language == "English" else "th")
        assert complaints == []
        page.click(".languages >> text=English")
