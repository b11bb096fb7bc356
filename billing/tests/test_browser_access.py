"""What axe-core finds on every account page, empty and full, and on the way in and out: nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from billing.tests.test_browser import EMAIL, open_checkout, pay
from billing.tests.test_browser_stories import GOOD_CARD, SignUp, sign_up  # noqa: F401 - a fixture
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
    def test_is_clean_for_strangers(self, page: Page, product: Product) -> None:
        look_at(page, product, *STRANGERS_PAGES)
        page.goto(f"{product.url}/accounts/login/")
        page.fill("input[name=login]", EMAIL)
        page.fill("input[name=password]", "wrong")
        page.click("main button[type=submit]")
        page.wait_for_selector(".errorlist, [role=alert]")
        assert findings(page) == []

    def test_is_clean_for_a_newcomer(self, sign_up: SignUp, product: Product) -> None:  # noqa: F811
        look_at(sign_up(language="th-TH", width=390, is_confirmed=False), product, *PAGES, "/accounts/confirm-email/")

    def test_is_clean_for_a_customer(self, sign_up: SignUp, product: Product) -> None:  # noqa: F811
        page = sign_up(language="en-US", width=1280)
        page.goto(f"{product.url}/account/plans")
        page.click("#subscribe-pro-monthly")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page, GOOD_CARD)
        page.wait_for_selector("#credits-granted")
        assert findings(page) == []
        open_checkout(page, product, "basic")
        page.click("a[href*='/pay/cancel']")
        page.wait_for_selector("#back-to-payment")
        assert findings(page) == []
        look_at(page, product, *PAGES, *PAGES_OF_A_PLAN)
        page.goto(f"{product.url}/account/transactions")
        page.click("summary.entry >> nth=0")
        page.wait_for_selector(".entry-details dl")
        assert findings(page) == []


def look_at(page: Page, product: Product, *paths: str) -> None:
    """Look at pages one by one, and tell all that is wrong with any of them."""
    found = {}
    for path in paths:
        page.goto(product.url + path)
        if page.locator("[hx-trigger=load]").count():
            page.wait_for_load_state("networkidle")
        found[path] = findings(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def findings(page: Page) -> list[str]:
    """Return what axe calls serious or critical. The pages look the same whether a browser prefers light or dark."""
    answer = Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in answer["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
