"""Every account page, empty and full, and the way in and out, on every screen.

It fits, speaks the reader's language, breaks no policy of its own, and axe-core finds nothing serious in it.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from billing.tests.browsing import Screen, join, on_every_screen, open_checkout, subscribe
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

STRANGERS_PAGES = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/account/nowhere")
PAGES = (
    *("/account", "/account/plans", "/account/plans?interval=yearly", "/account/buy", "/account/transactions"),
    *("/account/transactions?search=nothing", "/account/billing", "/accounts/email/", "/accounts/password/change/"),
    *("/accounts/2fa/", "/accounts/sessions/"),
)
PAGES_OF_A_PLAN = ("/account/plans/cancel", "/account/plans/change?plan=enterprise&interval=monthly")


class TestEveryPage:
    @on_every_screen(usually="th-desk")
    def test_is_clean_for_strangers(self, stranger: Page, product: Product, screen: Screen) -> None:
        page = stranger
        look_at(page, product, screen, *STRANGERS_PAGES)
        page.goto(f"{product.url}/accounts/login/")
        page.fill("input[name=login]", "nobody@smartspec.test")
        page.fill("input[name=password]", "wrong")
        page.click("main button[type=submit]")
        page.wait_for_selector(".errorlist, [role=alert]:not([hidden])")
        assert findings(page, screen) == []

    @on_every_screen(usually="th-phone")
    def test_is_clean_for_a_newcomer(self, stranger: Page, product: Product, screen: Screen) -> None:
        join(stranger, product, is_confirmed=False)
        look_at(stranger, product, screen, *PAGES, "/accounts/confirm-email/")

    @on_every_screen(usually="en-phone")
    def test_is_clean_for_a_customer(self, newcomer: Page, product: Product, screen: Screen) -> None:
        page = newcomer
        subscribe(page, product, "pro", credits=500)
        assert findings(page, screen) == []
        open_checkout(page, product, "basic")
        page.click("a[href*='/pay/cancel']")
        page.wait_for_selector("#back-to-payment")
        assert findings(page, screen) == []
        look_at(page, product, screen, *PAGES, *PAGES_OF_A_PLAN)
        page.goto(f"{product.url}/account/transactions")
        page.click("summary.entry >> nth=0")
        page.wait_for_selector(".entry-details dl")
        assert findings(page, screen) == []


def look_at(page: Page, product: Product, screen: Screen, *paths: str) -> None:
    """Look at pages one by one, and tell all that is wrong with any of them."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    found = {}
    for path in paths:
        complaints.clear()
        page.goto(product.url + path)
        if page.locator("[hx-trigger=load]").count():
            page.wait_for_load_state("networkidle")
        broken = [text for text in complaints if "404" not in text]
        found[path] = broken + findings(page, screen)
        page.evaluate(
            "0"
        )  # axe itself writes styles, which the pages' policy refuses: let that be heard before the next
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def findings(page: Page, screen: Screen) -> list[str]:
    """Return what does not fit, is in another language, or is serious or critical by axe-core.

    The pages look the same whether a browser prefers light or dark.
    """
    answer = Axe().run(page, options={"resultTypes": ["violations"]}).response
    found = [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in answer["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > screen.width:
        found.append(f"{width} pixels wide")
    if page.evaluate("document.documentElement.lang") != screen.language:
        found.append("in another language")
    return found


class TestTrouble:
    @on_every_screen(usually="th-phone")
    def test_is_told_when_the_server_is_out_of_reach_and_when_the_session_has_ended(
        self, newcomer: Page, screen: Screen
    ) -> None:
        page = newcomer
        page.context.set_offline(True)
        page.click("a[href='?days=7#daily']")
        expect(page.locator("#trouble")).to_be_in_viewport()  # wherever the page is scrolled to
        assert findings(page, screen) == []
        page.context.set_offline(False)
        page.click("a[href='?days=7#daily']")
        expect(page.locator("#trouble")).to_be_hidden()
        page.context.clear_cookies()
        page.click("a[href='?days=90#daily']")
        page.wait_for_url(re.compile(r"/accounts/login/\?next=/account"))


class TestKeyboard:
    @on_every_screen(usually="en-desk")
    def test_is_enough_to_buy(self, newcomer: Page, product: Product) -> None:
        """From the overview to the hosted page without a pointer, each stop being seen."""
        page = newcomer
        press_until(page, "a[href='/account/buy']")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/account/buy$"))
        press_until(page, "#buy-basic")
        page.keyboard.press("Enter")
        page.wait_for_selector("input[name=cardNumber]")


def press_until(page: Page, selector: str) -> None:
    """Press Tab until what is looked for has the focus; whatever has it on the way shows it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "(wanted) => { const at = document.activeElement, style = getComputedStyle(at);"
            " return [at.matches(wanted), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,"
            " at.outerHTML.slice(0, 160)] }",
            selector,
        )
        assert seen[1], f"the focus cannot be seen on {seen[2]}"
        if seen[0]:
            return
    raise AssertionError(f"no way to {selector} by keyboard")
