"""Whoever writes a program reads the API's document in a browser, under the same strict policy as every page."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class TestReader:
    def test_opens_a_call_tries_it_and_breaks_no_policy(self, page: Page, live_server: object) -> None:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server}/api/docs")
        call = page.locator(".opblock", has_text="/api/credits/plans")
        call.locator(".opblock-summary-control").click()
        call.locator(".try-out__btn").click()
        call.locator(".execute").click()
        expect(call.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
        page.click("button.authorize")
        expect(page.locator(".auth-container")).to_have_count(3)  # a session, a key, Stripe's signature
        assert complaints == []
