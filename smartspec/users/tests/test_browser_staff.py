"""Staff come in with a browser, beyond their own machine: an authenticator app, and a passkey of the browser's own."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from playwright.sync_api import Page, expect

from smartspec.testing import PASSWORD, make_user
from smartspec.users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMAIL = "agent@smartspec.test"


@pytest.fixture
def agent(db: None) -> User:
    user: User = make_user(EMAIL, is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def door(request: pytest.FixtureRequest, new_context: Any, live_server: Any, settings: Any, agent: User) -> Page:
    """A browser that prefers light or dark, before a server that asks staff for a second factor."""
    settings.STAFF_TWO_FACTOR = True
    context = new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param, base_url=live_server.url)
    page: Page = context.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def with_passkeys(door: Page) -> Iterator[Page]:
    """The same browser, with an authenticator built in whose owner says yes to everything."""
    devtools = door.context.new_cdp_session(door)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield door
    devtools.detach()


def log_in(page: Page) -> None:
    page.goto("/admin/")
    page.wait_for_url(re.compile(r"/accounts/login/\?next="))
    page.fill("input[name=login]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")


def confirm(page: Page) -> None:
    """Type the password once more: whoever makes a second factor is asked for it."""
    page.wait_for_url(re.compile("/accounts/reauthenticate/"))
    expect_legible(page)
    page.fill("input[name=password]", PASSWORD)
    page.click("main form:has(input[name=password]) button[type=submit]")


def log_out(page: Page) -> None:
    page.context.clear_cookies()


def type_code(page: Page, secret: str) -> None:
    """Type the code of this half minute, as if it had not served before: each serves once."""
    cache.clear()
    page.fill("input[name=code]", str(format_hotp_value(hotp_value(secret, int(time.time()) // 30))))
    page.click("main form:has(input[name=code]) button[type=submit]")


def expect_legible(page: Page) -> None:
    """The page is as dark as the browser asks for, and its words stand out from it."""
    ground, ink = page.evaluate(
        "() => [document.documentElement, document.querySelector('h1')].map(getComputedStyle).flatMap(style =>"
        " [style.backgroundColor, style.color]).filter((colour, place) => place === 0 || place === 3)"
    )
    brightness = [sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 765 for colour in (ground, ink)]
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (brightness[0] < 0.2) == is_dark
    assert abs(brightness[0] - brightness[1]) > 0.6


@pytest.mark.parametrize("door", ["dark"], indirect=True)
class TestAuthenticatorApp:
    def test_is_set_up_at_the_first_log_in_and_asked_for_at_every_other(self, door: Page) -> None:
        page = door
        log_in(page)
        confirm(page)
        page.wait_for_url(re.compile("/accounts/2fa/totp/activate/"))
        expect_legible(page)
        secret = page.locator("#authenticator_secret").input_value()
        type_code(page, secret)
        page.wait_for_url(re.compile(r"/accounts/2fa/(recovery-codes/.*)?$"))
        page.goto("/admin/")
        page.wait_for_url(re.compile("/accounts/2fa/reauthenticate/"))
        expect_legible(page)
        type_code(page, secret)
        expect(page.get_by_text("Needs a person")).to_be_visible()

        log_out(page)
        log_in(page)
        page.wait_for_url(re.compile("/accounts/2fa/authenticate/"))
        expect_legible(page)
        page.goto("/admin/")  # the password alone opens nothing
        page.wait_for_url(re.compile("/accounts/(login|2fa)/"))
        page.goto("/accounts/2fa/authenticate/")
        type_code(page, secret)
        expect(page.get_by_text("Needs a person")).to_be_visible()


@pytest.mark.parametrize("door", ["light"], indirect=True)
class TestPasskey:
    def test_is_made_by_staff_and_lets_them_in_after_their_password(self, with_passkeys: Page, agent: User) -> None:
        page = with_passkeys
        log_in(page)
        confirm(page)
        page.wait_for_url(re.compile("/accounts/2fa/totp/activate/"))
        page.goto("/accounts/2fa/")
        page.click("a[href='/accounts/2fa/webauthn/add/']")
        page.fill("input[name=name]", "Laptop")
        page.click("#mfa_webauthn_add")
        page.wait_for_url(re.compile("/accounts/2fa/(recovery-codes/|$)"))
        assert set(Authenticator.objects.filter(user=agent).values_list("type", flat=True)) >= {"webauthn"}
        page.goto("/admin/")
        page.wait_for_url(re.compile("/accounts/2fa/webauthn/reauthenticate/"))
        page.click("#mfa_webauthn_reauthenticate")
        expect(page.get_by_text("Needs a person")).to_be_visible()

        log_out(page)
        log_in(page)
        page.wait_for_url(re.compile("/accounts/2fa/authenticate/"))
        expect_legible(page)
        page.click("#mfa_webauthn_authenticate")
        expect(page.get_by_text("Needs a person")).to_be_visible()
