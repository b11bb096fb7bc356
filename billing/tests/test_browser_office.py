"""Staff with a browser: refunds and debt, four eyes, an auditor, and a dispute from open to lost."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from billing.tests.browsing import open_checkout, pay
from smartspec.management.commands.seed_demo import DEMO_PEOPLE
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]

CUSTOMER = "demo@smartspec.test"
GOOD_CARD = "4242 4242 4242 4242"
LogIn = Callable[[str], Page]


@pytest.fixture
def log_in(browser: Browser, product: Product) -> Iterator[LogIn]:
    """Return a function that opens a browser of their own for somebody, at 1280 pixels, logged in."""
    contexts = []

    def open_browser(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        email = f"{name}@smartspec.test"
        page.goto(f"{product.url}/accounts/login/")
        page.fill("input[name=login]", email)
        page.fill("input[name=password]", DEMO_PEOPLE[email]["password"])
        page.press("input[name=password]", "Enter")
        page.wait_for_url(re.compile(r"/account"))
        return page

    yield open_browser
    for context in contexts:
        context.close()


def buy(page: Page, product: Product, package: str) -> None:
    open_checkout(page, product, package)
    pay(page, GOOD_CARD)
    page.wait_for_url(re.compile(r"/pay/return"))
    expect(page.locator("#credits-granted")).to_be_visible(timeout=5_000)


def find(page: Page, product: Product, term: str) -> None:
    """Find somebody from the home page, as one does on the telephone."""
    page.goto(f"{product.url}/admin/")
    page.fill("input[name=q]", term)
    page.press("input[name=q]", "Enter")
    page.wait_for_url(re.compile(r"/admin/people/[0-9a-f-]{36}/"))


def fact(page: Page, label: str) -> Locator:
    return page.locator(".bo-fact", has=page.get_by_text(label, exact=True)).locator(".bo-value")


def number(locator: Locator) -> float:
    return float(locator.inner_text().replace(",", ""))


def act(page: Page, note: str, **fields: str) -> None:
    """Fill in the form of an action, look at the preview, and confirm."""
    for name, value in fields.items():
        page.fill(f"input[name={name}]", value)
    page.select_option("select[name=reason]", "customer_asked")
    page.fill("textarea[name=note]", note)
    page.click("button[name=preview]")
    expect(page.locator("#preview")).to_contain_text("What will happen")
    page.click("button[name=confirm]")


class TestStories:
    def test_half_a_refund_of_spent_credits_is_debt_until_the_next_purchase(
        self, log_in: LogIn, product: Product
    ) -> None:
        customer, office = log_in("demo"), log_in("billing")
        buy(customer, product, "basic")
        find(office, product, CUSTOMER)
        spent = number(fact(office, "Available")) - 20
        office.click("text=Adjust credits")
        office.select_option("select[name=direction]", "take")
        act(office, "Spent, so to say", credits=f"{spent:f}")
        expect(fact(office, "Available")).to_have_text("20")
        office.click("text=Refund … >> nth=0")
        office.fill("input[name=amount]", "4.50")
        act(office, "Half of it was worthless")
        expect(fact(office, "Debt")).to_have_text("32.5")
        expect(fact(office, "Available")).to_have_text("0")
        buy(customer, product, "basic")
        office.reload()
        expect(fact(office, "Debt")).to_have_text("0")
        expect(fact(office, "Available")).to_have_text("72.5")

    def test_five_thousand_by_support_wait_for_billing(self, log_in: LogIn, product: Product) -> None:
        support, billing = log_in("support"), log_in("billing")
        find(support, product, CUSTOMER)
        before = number(fact(support, "Available"))
        support.click("text=Adjust credits")
        act(support, "Promised on the telephone", credits="5000")
        expect(support.locator("main, body")).to_contain_text("Nothing has moved")
        assert number(fact(support, "Available")) == before
        expect(support.get_by_text("Approve …")).to_have_count(0)
        billing.goto(f"{product.url}/admin/")
        billing.click("text=Adjustments await approval")
        billing.click("table a.text-link >> nth=0")
        billing.click("text=Approve …")
        act(billing, "Fine with me")
        assert number(fact(billing, "Available")) == before + 5000

    def test_nobody_approves_their_own(self, log_in: LogIn, product: Product) -> None:
        billing = log_in("billing")
        find(billing, product, CUSTOMER)
        before = number(fact(billing, "Available"))
        billing.click("text=Adjust credits")
        act(billing, "A large one", credits="20000")
        billing.click("text=Approve …")
        billing.select_option("select[name=reason]", "goodwill")
        billing.fill("textarea[name=note]", "I say yes to myself")
        billing.click("button[name=preview]")
        expect(billing.locator("[role=alert]")).to_contain_text("somebody else has to decide")
        find(billing, product, CUSTOMER)
        assert number(fact(billing, "Available")) == before

    def test_an_auditor_opens_everything_and_changes_nothing(self, log_in: LogIn, product: Product) -> None:
        auditor = log_in("auditor")
        find(auditor, product, CUSTOMER)
        person = auditor.url
        expect(auditor.locator(".bo-actions")).to_have_count(0)
        expect(auditor.locator("#timeline")).to_contain_text("Entries")
        lists = [link.get_attribute("href") for link in auditor.locator("#nav-sidebar-apps a").all()]
        assert len(lists) > 20
        for address in filter(None, lists):
            answer = auditor.goto(product.url + address)
            assert answer is not None
            assert answer.status == 200, address
            expect(auditor.locator("a[href$='/add/'], button[name=_save]")).to_have_count(0)
        for action in ("adjust-credits", "freeze", "sync-from-stripe", "cancel-subscription", "erase"):
            answer = auditor.goto(f"{person}{action}/")
            assert answer is not None
            assert answer.status == 403, action

    def test_a_dispute_freezes_until_staff_thaw_what_was_lost(self, log_in: LogIn, product: Product) -> None:
        customer, office = log_in("demo"), log_in("billing")
        buy(customer, product, "starter")
        self.dispute(product, "open")
        find(office, product, CUSTOMER)
        expect(fact(office, "Frozen")).to_have_text("yes")
        expect(office.locator("#timeline")).to_contain_text("Dispute of $5.00")
        office.goto(f"{product.url}/admin/")
        expect(office.locator(".bo-tasks")).to_contain_text("Open disputes and inquiries")
        expect(office.locator(".bo-tasks")).to_contain_text("answer due")
        self.dispute(product, "lose")
        office.goto(f"{product.url}/admin/")
        expect(office.get_by_text("Open disputes and inquiries")).to_have_count(0)
        find(office, product, CUSTOMER)
        expect(fact(office, "Frozen")).to_have_text("yes")
        office.click("text=Thaw the account")
        act(office, "They have paid by transfer")
        expect(office.locator(".bo-facts")).not_to_contain_text("Frozen")

    def dispute(self, product: Product, step: str) -> None:
        """Let the bank move, and wait until its webhook was worked on."""
        answer = product.manage("sandbox", "dispute", CUSTOMER, "--step", step)
        assert answer.returncode == 0, answer.stderr
        moved = product.manage("reconcile_stripe", "--repair")
        assert moved.returncode == 0, moved.stdout + moved.stderr
