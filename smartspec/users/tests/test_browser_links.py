"""Links that sign in or confirm end in a button, and the browser tells other sites nothing of their address."""

import pytest
from django.core import signing
from playwright.sync_api import Page, expect

from smartspec import clock
from smartspec.testing import PASSWORD, make_user
from smartspec.users import services
from smartspec.users.services.desk import VERIFICATION_SALT

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_somebody_elses_link_signs_in_by_a_button(page: Page, live_server: object) -> None:
    bob, alice = (make_user(f"{name}@smartspec.test") for name in ("bob", "alice"))
    page.goto(f"{live_server}/accounts/login/")
    page.fill("input[name=login]", bob.email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    token = services.create_web_session_link(user=alice, next_path="/account/plans", now=clock.now())
    page.goto(f"{live_server}/account/open/{token}")
    expect(page.locator("h1")).to_have_text("Go on as somebody else?")
    page.click("main form button")
    page.wait_for_url(f"{live_server}/account/plans")


def test_an_address_is_confirmed_by_a_button(page: Page, live_server: object) -> None:
    address = make_user("carol@smartspec.test", is_verified=False).emailaddress_set.get()
    token = signing.dumps([address.pk, address.email], salt=VERIFICATION_SALT)
    page.goto(f"{live_server}/account/verify/{token}")
    page.click("main form button")
    expect(page.locator("h1")).to_have_text("Thank you!")
