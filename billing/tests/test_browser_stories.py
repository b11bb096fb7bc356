"""Newcomers with a browser, on a phone and at a desk, in both languages: from signing up to the money's arrival."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from billing.tests.test_browser import pay
from smartspec.testing import PASSWORD, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

PHONE, DESK = 390, 1280
GOOD_CARD = "4242 4242 4242 4242"
SignUp = Callable[..., Page]


@pytest.fixture
def sign_up(browser: Browser, product: Product) -> Iterator[SignUp]:
    """Return a function that opens a browser, signs a stranger up in it, and confirms their address."""
    contexts = []

    def open_account(*, language: str, width: int, is_confirmed: bool = True) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=language)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        email = f"newcomer-{uuid4().hex[:8]}@smartspec.test"
        page.goto(f"{product.url}/accounts/signup/")
        page.fill("input[name=email]", email)
        page.fill("input[name=password1]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(re.compile(r"/account$"))
        if not is_confirmed:
            return page
        page.click(".notice a[href='/accounts/confirm-email/']")
        page.fill("input[name=code]", mailed_code(page, product, email))
        page.click("main button[type=submit] >> nth=0")
        page.wait_for_url(re.compile(r"/account$"))
        return page

    yield open_account
    for context in contexts:
        context.close()


def mailed_code(page: Page, product: Product, email: str) -> str:
    """Read the mail that went to an address, as the newcomer does, and return the code in it."""
    mailbox = page.context.new_page()
    mailbox.goto(f"{product.url}/sandbox/mail")
    mailbox.click(f"tr:has-text('{email}') a")
    code = re.search(r"^[A-Z0-9]+-[A-Z0-9]+$", mailbox.inner_text("pre"), re.MULTILINE)
    assert code, mailbox.inner_text("pre")
    mailbox.close()
    return code.group()


class TestNewcomers:
    def test_sign_up_on_a_phone_and_buy_in_thai(self, sign_up: SignUp, product: Product) -> None:
        page = sign_up(language="th-TH", width=PHONE)
        expect(page.locator("[data-available-credits]")).to_have_text("10")  # Free's, for the confirmed address
        page.click(".tabs a[href='/account/buy']")
        page.click("#buy-basic")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page, GOOD_CARD)
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("105", timeout=5_000)
        expect(page.locator("h1")).to_have_text("ขอบคุณ")
        page.click("#lead-on")
        expect(page.locator("[data-available-credits]")).to_have_text("115")

    def test_subscribe_for_a_year_at_a_desk(self, sign_up: SignUp, product: Product) -> None:
        page = sign_up(language="en-US", width=DESK)
        page.click(".tabs a[href='/account/plans']")
        page.click("text=Yearly")
        expect(page.locator("[data-plan=pro] .price")).to_contain_text("$290")
        page.click("#subscribe-pro-yearly")
        page.wait_for_selector("input[name=cardNumber]")
        expect(page.locator("body")).to_contain_text("$290")
        pay(page, GOOD_CARD)
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#credits-granted")).to_have_text("500", timeout=5_000)  # of the first month
        page.click("#lead-on")
        expect(page.locator("#current-plan")).to_have_text("Pro")
        expect(page.locator(".facts")).to_contain_text("yearly")

    def test_wait_for_their_bank_on_a_phone(self, sign_up: SignUp, product: Product) -> None:
        page = sign_up(language="en-US", width=PHONE)
        page.clock.install()
        page.goto(f"{product.url}/account/buy")
        page.click("#buy-starter")
        page.click("text=Pay by bank debit")
        hosted_page = page.url
        page.check("input[name=accountNumber] >> nth=-1")  # whose bank is played by hand
        page.fill("input[name=billingName]", "Newcomer")
        page.click("main button[type=submit]")
        page.wait_for_url(re.compile(r"/pay/return"))
        expect(page.locator("#checkout-state")).to_have_attribute("data-state", "processing")
        expect(page.locator("main")).not_to_contain_text("Paid")
        bank = page.context.new_page()
        bank.goto(hosted_page)
        bank.click("button:has-text('Succeed')")
        bank.wait_for_load_state()
        bank.wait_for_timeout(500)
        page.clock.fast_forward("00:15")  # by then the page has looked again by itself
        expect(page.locator("#credits-granted")).to_have_text("50")

    def test_filter_search_and_take_their_history_along_in_thai(
        self, sign_up: SignUp, product: Product, tmp_path: Path
    ) -> None:
        page = sign_up(language="th-TH", width=DESK)
        page.goto(f"{product.url}/account/buy")
        page.click("#buy-basic")
        page.wait_for_selector("input[name=cardNumber]")
        pay(page, GOOD_CARD)
        expect(page.locator("#credits-granted")).to_have_text("105", timeout=5_000)
        page.click("#lead-on")
        page.click(".tabs a[href='/account/transactions']")
        expect(page.locator("[data-total]")).to_have_text("3")  # Free's, the package's, its bonus
        page.select_option("select[name=type]", "purchase")
        page.click("form[role=search] button")
        expect(page.locator("[data-total]")).to_have_text("1")
        expect(page.locator("[data-came-in]")).to_have_text("+100")
        for form, read in (("csv", read_csv), ("json", read_json)):
            with page.expect_download() as download:
                page.click(f"a[download][href*='format={form}']")
            download.value.save_as(tmp_path / form)
            assert read(tmp_path / form) == [100]
        page.fill("input[type=search]", "nothing like this")
        page.press("input[type=search]", "Enter")
        expect(page.locator(".empty")).to_be_visible()
        page.click(".empty a")
        expect(page.locator("[data-total]")).to_have_text("3")


def read_csv(path: Path) -> list[float]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [float(row["amount"]) for row in csv.DictReader(file)]


def read_json(path: Path) -> list[float]:
    return [row["amount"] for row in json.loads(path.read_text())]
