"""Every account page, empty and full, and the way in and out, on every screen.

It fits, speaks the reader's language, breaks no policy of its own, and axe-core finds nothing serious in it.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from billing.tests.browsing import Screen, findings, join, look_at, on_every_screen, open_checkout, subscribe
from smartspec.management.commands.seed_demo import DEMO_PEOPLE
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

SUPPORT = "support@smartspec.test"
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


class TestSupportView:
    @on_every_screen(usually="th-desk")
    def test_is_clean_and_only_looks(self, stranger: Page, product: Product, screen: Screen) -> None:
        page = stranger
        page.goto(f"{product.url}/accounts/login/")
        page.fill("input[name=login]", SUPPORT)
        page.fill("input[name=password]", DEMO_PEOPLE[SUPPORT]["password"])
        page.press("input[name=password]", "Enter")
        page.wait_for_url(re.compile(r"/account"))
        page.goto(f"{product.url}/admin/people/?q=demo@smartspec.test")
        page.goto(f"{page.url.split('?')[0]}view-as/")
        page.select_option("select[name=reason]", "customer_asked")
        page.fill("textarea[name=note]", "Ticket 7")
        page.click("button[name=preview]")
        page.click("button[name=confirm]")
        page.wait_for_url(re.compile(r"/admin/people/[0-9a-f-]{36}/$"))
        look_at(page, product, screen, *(path for path in PAGES if path.startswith("/account")), "/account/nowhere")
        page.goto(f"{product.url}/account/buy")
        expect(page.locator("main > .notice.error >> nth=0")).to_contain_text("demo@smartspec.test")
        page.click("#buy-basic")
        expect(page.locator("h1")).to_have_text(screen.says("You are only looking"))
        assert findings(page, screen) == []
        page.click("form[action='/account/viewing/end'] button")
        page.wait_for_url(re.compile(r"/admin/people/"))


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

    @on_every_screen(usually="th-phone")
    def test_reaches_every_control_and_is_trapped_nowhere(self, newcomer: Page, product: Product) -> None:
        page = newcomer
        subscribe(page, product, "pro", credits=500)
        for path in (*PAGES, *PAGES_OF_A_PLAN):
            page.goto(product.url + path)
            if page.locator("[hx-trigger=load]").count():
                page.wait_for_load_state("networkidle")
            assert unreached(page) == [], path
        page.goto(f"{product.url}/account/transactions")
        press_until(page, "summary.entry")
        page.keyboard.press("Enter")
        page.wait_for_selector(".entry-details dl")
        press_until(page, ".menu summary", backwards=True)
        page.keyboard.press("Enter")
        press_until(page, ".menu a[href='/accounts/sessions/']")
        assert unreached(page) == []


CONTROLS = "a[href], button:not([tabindex='-1']), input:not([type=hidden]), select, textarea, summary"


def unreached(page: Page) -> list[str]:
    """Press Tab once around the page, and return which visible controls never had the focus, or not to be seen."""
    count = page.evaluate(
        "(controls) => { const all = [...document.querySelectorAll(controls)].filter(it => it.checkVisibility()"
        " && !it.disabled);"
        " all.forEach(it => it.dataset.unreached = 'yes'); document.activeElement.blur();"
        " window.getSelection().removeAllRanges(); return all.length }",
        CONTROLS,
    )
    assert count > 5
    for _ in range(count + 15):  # a field for a day has three stops and a button
        page.keyboard.press("Tab")
        page.evaluate(f"({HAS_FOCUS})() && delete document.activeElement.dataset.unreached")
    found: list[str] = page.locator("[data-unreached]").evaluate_all("all => all.map(it => it.outerHTML.slice(0, 160))")
    return found


# Whether what has the focus shows it, as something other than the page itself.
HAS_FOCUS = (
    "() => { const style = getComputedStyle(document.activeElement); return document.activeElement !== document.body"
    " && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }"
)


def press_until(page: Page, selector: str, *, backwards: bool = False) -> None:
    """Press Tab until what is looked for has the focus; whatever has it on the way shows it."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        found, is_seen, html = page.evaluate(
            f"(wanted) => [document.activeElement.matches(wanted), ({HAS_FOCUS})(),"
            " document.activeElement.outerHTML.slice(0, 160)]",
            selector,
        )
        # The button inside a field for a day shows the browser's own ring, around itself.
        assert is_seen or 'type="date"' in html, f"the focus cannot be seen on {html}"
        if found:
            return
    raise AssertionError(f"no way to {selector} by keyboard")
