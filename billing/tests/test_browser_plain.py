"""Somebody whose browser runs no scripts: everything that moves money or changes the plan, and the way in and out."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing.tests.browsing import Screen, expect_granted, mailed_code, new_address, on_every_screen, pay, subscribe
from smartspec.testing import PASSWORD, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]


@pytest.fixture
def plain(new_context: Any, screen: Screen) -> Page:
    """The browser of a stranger who has turned scripts off."""
    context = new_context(
        viewport={"width": screen.width, "height": 900}, locale=screen.language, java_script_enabled=False
    )
    page: Page = context.new_page()
    page.set_default_timeout(30_000)
    return page


class TestWithoutScripts:
    @on_every_screen(usually="en-phone")
    def test_signs_up_buys_changes_the_plan_cancels_filters_and_signs_out(
        self, plain: Page, product: Product, screen: Screen
    ) -> None:
        page = plain
        self.sign_up(page, product)
        self.buy(page, product)
        self.change_plans(page, product)
        self.read_the_history(page, product)
        self.speak_another_language(page, product, screen)
        page.click(".menu summary")
        page.click(".menu form button")
        page.goto(f"{product.url}/account")
        page.wait_for_url(re.compile(r"/accounts/login/\?next=/account"))

    def sign_up(self, page: Page, product: Product) -> None:
        email = new_address()
        page.goto(f"{product.url}/accounts/signup/")
        page.fill("input[name=email]", email)
        page.fill("input[name=password1]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(re.compile(r"/account$"))
        page.click(".notice a[href='/accounts/confirm-email/']")
        page.fill("input[name=code]", mailed_code(page, product, email))
        page.click("main button[type=submit] >> nth=0")
        page.wait_for_url(re.compile(r"/account$"))

    def buy(self, page: Page, product: Product) -> None:
        page.goto(f"{product.url}/account/buy")
        page.fill("#custom-amount", "137")
        page.press("#custom-amount", "Enter")
        expect(page.locator("#quote .price")).to_have_text("$12.33")
        page.fill("#custom-amount", "999")
        page.click("noscript button")
        expect(page.locator("#quote .price")).to_have_text("$60")
        page.fill("#custom-amount", "137")
        page.click("button[name=step][value='50']")
        expect(page.locator("#custom-amount")).to_have_value("187")
        page.click("#buy-basic")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page)
        expect_granted(page, 105)
        page.click("#lead-on")
        expect(page.locator("[data-available-credits]")).to_have_text("115")

    def change_plans(self, page: Page, product: Product) -> None:
        subscribe(page, product, "pro", credits=500)
        page.goto(f"{product.url}/account/plans")
        page.click("#change-enterprise-monthly")
        expect(page.locator("[data-amount-due]")).to_have_attribute("data-amount-due", "17000")
        page.click("#confirm-change")
        expect(page.locator("#current-plan")).to_have_text("Enterprise")
        page.click("#cancel-plan")
        page.select_option("select[name=reason]", "unused")
        page.click("#confirm-cancel")
        expect(page.locator("#resume-plan")).to_be_visible()

    def read_the_history(self, page: Page, product: Product) -> None:
        page.goto(f"{product.url}/account/transactions")
        page.select_option("select[name=type]", "purchase")
        page.click("form[role=search] button")
        expect(page.locator("[data-total]")).to_have_text("1")
        page.click("summary.entry")
        page.click(".entry-details a")  # the row's own page, where scripts would open it in place
        expect(page.locator(".facts >> nth=0")).to_be_visible()

    def speak_another_language(self, page: Page, product: Product, screen: Screen) -> None:
        other = "th" if screen.language == "en" else "en"
        page.goto(f"{product.url}/account")
        page.click(f".languages button[value={other}]")
        expect(page.locator("html")).to_have_attribute("lang", other)
        page.click(f".languages button[value={screen.language}]")
        expect(page.locator("html")).to_have_attribute("lang", screen.language)
