"""Newcomers with a browser buy credits on the running product: from signing up to the money's arrival, or not."""

import re

import pytest
from playwright.sync_api import Page, expect

from billing.tests.browsing import (
    ASKING_CARD,
    DECLINED_CARD,
    POOR_CARD,
    Screen,
    available,
    expect_granted,
    findings,
    mailed_code,
    new_address,
    on_every_screen,
    open_checkout,
    pay,
)
from smartspec.testing import PASSWORD, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]


class TestNewcomers:
    @on_every_screen(usually="th-phone")
    def test_sign_up_and_make_a_first_purchase(self, stranger: Page, product: Product, screen: Screen) -> None:
        page, email = stranger, new_address()
        page.goto(f"{product.url}/accounts/login/")
        page.click(".who a[href='/accounts/signup/']")
        page.fill("input[name=email]", email)
        page.fill("input[name=password1]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(re.compile(r"/account$"))
        page.click(".notice a[href='/accounts/confirm-email/']")
        page.fill("input[name=code]", mailed_code(page, product, email))
        page.click("main button[type=submit] >> nth=0")
        page.wait_for_url(re.compile(r"/account$"))
        expect(page.locator("[data-available-credits]")).to_have_text("10")  # Free's, for the confirmed address
        page.click(".tabs a[href='/account/buy']")
        page.click("#buy-basic")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page)
        expect_granted(page, 105, within_seconds=2)
        expect(page.locator("h1")).to_have_text(screen.says("Thank you!"))
        page.click("#lead-on")
        expect(page.locator("[data-available-credits]")).to_have_text("115")
        for line in ("Received Stripe webhook", "Checkout completed", "Credits fulfilled"):
            assert line in product.output

    @on_every_screen(usually="en-phone")
    def test_hear_why_a_card_was_refused_and_take_another(self, newcomer: Page, product: Product) -> None:
        page = newcomer
        open_checkout(page, product, "starter")
        pay(page, DECLINED_CARD)
        expect(page.locator("main")).to_contain_text("Your card was declined.")
        pay(page, POOR_CARD)
        expect(page.locator("main")).to_contain_text("Your card has insufficient funds.")
        pay(page, ASKING_CARD)
        page.click("text=Fail")
        expect(page.locator("main")).to_contain_text("We are unable to authenticate your payment method.")
        assert available(page, product) == 10
        open_checkout(page, product, "starter")
        pay(page, ASKING_CARD)
        page.click("text=Complete")
        expect_granted(page, 50)
        assert available(page, product) == 60

    @on_every_screen(usually="th-desk")
    def test_wait_for_a_bank_that_pays_and_for_one_that_does_not(
        self, newcomer: Page, product: Product, screen: Screen
    ) -> None:
        page = newcomer
        page.clock.install()
        self.pay_by_debit(page, product)
        self.expect_waiting(page, screen)
        self.answer(page, "succeed")
        page.clock.fast_forward("00:15")  # by then the page has looked again by itself
        expect_granted(page, 50)
        self.pay_by_debit(page, product)
        self.expect_waiting(page, screen)
        self.answer(page, "fail")
        page.clock.fast_forward("00:15")
        expect(page.locator("#checkout-state")).to_have_attribute("data-state", "failed")
        expect(page.locator("h1")).to_have_text(screen.says("The payment failed"))
        assert findings(page, screen) == []
        assert available(page, product) == 60

    def pay_by_debit(self, page: Page, product: Product) -> None:
        """Choose the bank account whose bank is played by hand."""
        page.goto(f"{product.url}/account/buy")
        page.click("#buy-starter")
        page.click("text=Pay by bank debit")
        self.hosted_page = page.url
        page.check("input[name=accountNumber] >> nth=-1")
        page.fill("input[name=billingName]", "Newcomer")
        page.click("main button[type=submit]")
        page.wait_for_url(re.compile(r"/pay/return"))

    def expect_waiting(self, page: Page, screen: Screen) -> None:
        expect(page.locator("#checkout-state")).to_have_attribute("data-state", "processing")
        expect(page.locator("h1")).to_have_text(screen.says("Your payment is on its way"))
        assert findings(page, screen) == []
        expect(page.locator("#credits-granted")).to_have_count(0)

    def answer(self, page: Page, outcome: str) -> None:
        """The bank answers, days later."""
        bank = page.context.new_page()
        bank.goto(self.hosted_page)
        bank.click(f"button[value={outcome}]")
        bank.wait_for_load_state()
        bank.wait_for_timeout(500)
        bank.close()

    @on_every_screen(usually="en-phone")
    def test_see_the_overview_change_by_itself_after_a_purchase(self, newcomer: Page, product: Product) -> None:
        page = newcomer
        page.clock.install()
        page.goto(f"{product.url}/account")
        page.evaluate("window.isNotReloaded = true")
        elsewhere = page.context.new_page()
        open_checkout(elsewhere, product, "starter")
        pay(elsewhere)
        expect_granted(elsewhere, 50)
        elsewhere.close()
        page.clock.fast_forward("00:16")
        expect(page.locator("[data-available-credits]")).to_have_text("60")
        expect(page.locator("section[aria-labelledby=recent]")).to_contain_text("+50")
        assert page.evaluate("window.isNotReloaded")

    @on_every_screen(usually="en-desk")
    def test_see_the_price_of_an_amount_and_turn_back_before_paying(
        self, newcomer: Page, product: Product, screen: Screen
    ) -> None:
        page = newcomer
        page.goto(f"{product.url}/account/buy")
        page.fill("#custom-amount", "137")
        expect(page.locator("#quote .price")).to_have_text("$12.33")
        page.press("#custom-amount", "Enter")  # asks for the price, and takes no step
        page.wait_for_load_state("networkidle")
        expect(page.locator("#custom-amount")).to_have_value("137")
        page.fill("#custom-amount", "5")
        expect(page.locator("#quote")).to_contain_text(
            screen.says("Choose a whole number from %(min)s to %(max)s.", min="10", max="10,000")
        )
        page.fill("#custom-amount", "100")
        expect(page.locator("#quote .bonus")).to_contain_text("5")
        page.click("button[name=step][value='50']")
        expect(page.locator("#custom-amount")).to_have_value("150")
        page.click("#buy-custom")
        page.wait_for_selector("input[name=cardNumber]")
        page.click("a[href*='/pay/cancel']")
        expect(page.locator("h1")).to_have_text(screen.says("Nothing was charged"))
        page.click("#back-to-payment")
        page.wait_for_selector("input[name=cardNumber]")
