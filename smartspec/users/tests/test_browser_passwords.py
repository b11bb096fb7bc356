"""People type passwords in a browser: they see them if they like, and how strong a new one is."""

import pytest
from playwright.sync_api import Page, expect

from smartspec.users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STRONG = "correct horse battery staple"


class TestNewPassword:
    def test_is_measured_shown_pasted_and_sent_covered(self, page: Page, live_server: object) -> None:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(f"{live_server}/accounts/signup/")
        field, meter = page.locator("input[name=password1]"), page.locator("meter.strength")
        strengths = []
        for typed in ("horse", "aaaaaaaaaaaaaaaaaaaaaaaa", "horse battery", STRONG):
            field.fill(typed)
            strengths.append(meter.evaluate("meter => meter.value"))
        assert strengths == [5, 2, 13, 24]
        page.get_by_label("Show the password").check()
        expect(field).to_have_attribute("type", "text")
        page.get_by_label("Show the password").uncheck()
        expect(field).to_have_attribute("type", "password")

        page.fill("input[name=name]", STRONG)
        page.locator("input[name=name]").select_text()
        page.keyboard.press("Control+X")
        field.fill("")
        field.press("Control+V")
        expect(field).to_have_value(STRONG)
        expect(field).to_have_attribute("autocomplete", "new-password")
        page.get_by_label("Show the password").check()
        page.fill("input[name=email]", "carol@smartspec.test")
        page.click("main button[type=submit]")
        page.wait_for_url(f"{live_server}/account**")
        assert User.objects.get().check_password(STRONG)
        assert complaints == []


class TestOldPassword:
    def test_is_shown_and_not_measured(self, page: Page, live_server: object) -> None:
        page.goto(f"{live_server}/accounts/login/")
        page.fill("input[name=password]", STRONG)
        page.get_by_label("Show the password").check()
        expect(page.locator("input[name=password]")).to_have_attribute("type", "text")
        expect(page.locator("input[name=password]")).to_have_attribute("autocomplete", "current-password")
        assert page.locator("meter").count() == 0

    def test_is_typed_as_ever_without_scripts(self, new_context: object, live_server: object) -> None:
        page: Page = new_context(java_script_enabled=False).new_page()  # type: ignore[operator]
        page.goto(f"{live_server}/accounts/signup/")
        expect(page.locator("input[name=password1]")).to_be_visible()
        expect(page.locator(".reveal, .strength").first).to_be_hidden()
