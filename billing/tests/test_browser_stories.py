"""Customers with a browser, on the running product: their plan through a year's changes, and their history."""

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from billing.tests.browsing import Screen, buy, on_every_screen, subscribe
from smartspec.testing import Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]


class TestPlans:
    @on_every_screen(usually="en-desk")
    def test_are_taken_for_a_year_cancelled_and_resumed(self, newcomer: Page, product: Product, screen: Screen) -> None:
        page = newcomer
        page.click(".tabs a[href='/account/plans']")
        page.click("a[href='?interval=yearly']")
        expect(page.locator("[data-plan=pro] .price")).to_contain_text("$290")
        subscribe(page, product, "pro", "yearly", credits=500)  # of the first month
        assert "Subscription activated" in product.output
        page.click("#lead-on")
        expect(page.locator("#current-plan")).to_have_text("Pro")
        expect(page.locator(".facts")).to_contain_text(screen.says("yearly"))
        page.click(".tabs a[href='/account/plans']")
        page.click("#cancel-plan")
        page.select_option("select[name=reason]", "unused")
        page.click("#confirm-cancel")
        expect(page.locator("#current-plan")).to_have_text("Pro")  # until the year is over
        page.click("#resume-plan")
        expect(page.locator("#resume-plan")).to_have_count(0)
        expect(page.locator("#cancel-plan")).to_be_visible()
        page.goto(f"{product.url}/account/billing")
        expect(page.locator("[data-amount-next]")).to_have_text("$290")
        page.click("#open-portal")
        expect(page.locator("body")).to_contain_text("Cancel subscription")

    @on_every_screen(usually="th-phone")
    def test_go_up_at_once_and_down_when_the_paid_time_ends(self, newcomer: Page, product: Product) -> None:
        page = newcomer
        subscribe(page, product, "pro", credits=500)
        page.goto(f"{product.url}/account/plans")
        page.click("#change-enterprise-monthly")
        expect(page.locator("[data-credits-granted]")).to_contain_text("4,500")
        expect(page.locator("[data-amount-due]")).to_have_attribute("data-amount-due", "17000")
        page.click("#confirm-change")
        expect(page.locator("#current-plan")).to_have_text("Enterprise")
        page.goto(f"{product.url}/account")
        expect(page.locator("[data-available-credits]")).to_have_text("5,010")  # 10 of Free's are left
        page.goto(f"{product.url}/account/plans")
        page.click("#change-pro-monthly")
        expect(page.locator("[data-amount-due]")).to_have_attribute("data-amount-due", "0")
        page.click("#confirm-change")
        expect(page.locator("#current-plan")).to_have_text("Enterprise")
        page.click("#undo-change")
        expect(page.locator("#undo-change")).to_have_count(0)
        expect(page.locator(".notice.success")).to_be_visible()


class TestHistory:
    @on_every_screen(usually="th-desk")
    def test_is_filtered_searched_opened_and_taken_along(
        self, newcomer: Page, product: Product, tmp_path: Path, screen: Screen
    ) -> None:
        page = newcomer
        buy(page, product, "basic", credits=105)
        page.click("#lead-on")
        page.click(".tabs a[href='/account/transactions']")
        expect(page.locator("[data-total]")).to_have_text("3")  # Free's, the package's, its bonus
        page.click("summary.entry >> nth=0")
        expect(page.locator("details[open] .entry-details")).to_contain_text(screen.says("Balance before"))
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
