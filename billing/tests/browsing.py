"""People with a browser, on every screen that the product promises: in two languages, on a phone and at a desk.

A story is played on one of the four by `make test`, and on the other three by `make test-long`.
"""

import re
from dataclasses import dataclass
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import translation
from playwright.sync_api import Page, expect

from smartspec.testing import PASSWORD, Product

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
POOR_CARD = "4000 0000 0000 9995"
ASKING_CARD = "4000 0025 0000 3155"
FUTURE = "12 / 34"
PHONE, DESK = 390, 1280


@dataclass(frozen=True)
class Screen:
    """The language that somebody's browser asks for, and its width in pixels."""

    language: str
    width: int

    def says(self, text: str, **values: str) -> str:
        """Return a sentence of the product as it stands on this screen."""
        with translation.override(self.language):
            return translation.gettext(text) % values


SCREENS = {
    "en-phone": Screen("en", PHONE),
    "en-desk": Screen("en", DESK),
    "th-phone": Screen("th", PHONE),
    "th-desk": Screen("th", DESK),
}


def on_every_screen(*, usually: str) -> pytest.MarkDecorator:
    """`@on_every_screen(usually="th-phone")`: the story is given its `screen`; on the others it is a long test."""
    return pytest.mark.parametrize(
        "screen",
        [
            pytest.param(screen, id=name, marks=() if name == usually else pytest.mark.long)
            for name, screen in SCREENS.items()
        ],
    )


# --- Coming in ----------------------------------------------------------------------------------------------------


def new_address() -> str:
    return f"newcomer-{uuid4().hex[:8]}@smartspec.test"


def mailed_code(page: Page, product: Product, email: str) -> str:
    """Return the code in the mail that went to an address, from where sent mail is read."""
    mailbox = page.context.request.get(f"{product.url}/sandbox/mail").text()
    row = next(row for row in mailbox.split("<tr")[1:] if email in row)
    address = re.search(r'href="([^"]+)"', row)
    assert address, row
    body = page.context.request.get(product.url + address[1]).text()
    code = re.search(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", body, re.MULTILINE)
    assert code, body
    return code.group()


def join(page: Page, product: Product, *, is_confirmed: bool = True) -> None:
    """Sign somebody up from the app, and open the account pages from there, signed in."""
    asks, email = page.context.request, new_address()
    language = {"Accept-Language": page.evaluate("navigator.language")}
    auth = f"{product.url}/api/auth/app/v1/auth"
    joined = asks.post(f"{auth}/signup", data={"email": email, "password": PASSWORD}, headers=language)
    assert joined.ok, joined.text()
    session = {"X-Session-Token": joined.json()["meta"]["session_token"]}
    if is_confirmed:
        confirmed = asks.post(
            f"{auth}/email/verify", data={"key": mailed_code(page, product, email)}, headers=session | language
        )
        assert confirmed.ok, confirmed.text()
    page.goto(asks.post(f"{product.url}/api/auth/web-session", headers=session).json()["url"])
    page.wait_for_url(re.compile(r"/account$"))


# --- Looking ------------------------------------------------------------------------------------------------------


def look_at(page: Page, product: Product, screen: Screen, *paths: str) -> None:
    """Look at pages one by one, each in a tab of its own, and tell all that is wrong with any of them."""
    found = {path: looked_at(page, product.url + path, screen) for path in paths}
    assert not any(found.values()), {path: wrong for path, wrong in found.items() if wrong}


def looked_at(page: Page, url: str, screen: Screen) -> list[str]:
    """Return what the browser complains of at one address, and what is found there."""
    complaints: list[str] = []
    # A tab of its own: axe writes styles, which the pages' policy refuses, and the next page must not hear of it.
    tab = page.context.new_page()
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.goto(url)
    if tab.locator("[hx-trigger=load]").count():
        tab.wait_for_load_state("networkidle")
    tab.evaluate("0")  # what the console said before this has been heard
    broken = [text for text in complaints if "404" not in text]
    try:
        return broken + findings(tab, screen)
    finally:
        tab.close()


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


# --- Paying -------------------------------------------------------------------------------------------------------


def open_checkout(page: Page, product: Product, package: str) -> None:
    """Click Buy on a package and wait for the hosted page."""
    page.goto(f"{product.url}/account/buy")
    page.click(f"#buy-{package}")
    page.wait_for_selector("input[name=cardNumber]")


def pay(page: Page, number: str = GOOD_CARD) -> None:
    """Fill in the hosted page as a customer would, and press Pay."""
    if page.locator("input[name=email]:enabled").count():
        page.fill("input[name=email]", "customer@smartspec.test")
    page.fill("input[name=cardNumber]", number)
    page.fill("input[name=cardExpiry]", FUTURE)
    page.fill("input[name=cardCvc]", "123")
    page.fill("input[name=billingName]", "Demo Customer")
    page.click("main button[type=submit]")


def buy(page: Page, product: Product, package: str, *, credits: int) -> None:
    """Buy a package, and stay on the page that Stripe leads back to."""
    open_checkout(page, product, package)
    pay(page)
    expect_granted(page, credits)


def subscribe(page: Page, product: Product, plan: str, interval: str = "monthly", *, credits: int) -> None:
    """Start a plan, and stay on the page that Stripe leads back to."""
    page.goto(f"{product.url}/account/plans?interval={interval}")
    page.click(f"#subscribe-{plan}-{interval}")
    page.wait_for_selector("input[name=cardNumber]")
    pay(page)
    expect_granted(page, credits)


def expect_granted(page: Page, credits: int, *, within_seconds: int = 10) -> None:
    page.wait_for_url(re.compile(r"/pay/return"))
    expect(page.locator("#credits-granted")).to_have_text(str(credits), timeout=within_seconds * 1_000)


def available(page: Page, product: Product) -> float:
    """Return the available credits by the page that a person looks at."""
    page.goto(f"{product.url}/account/buy")
    return float(page.locator("[data-available-credits]").inner_text().replace(",", ""))
