"""Every screen of the back-office in a window of 1280 pixels, light and dark, with rows of every state.

It fits, breaks no policy, logs no error, and axe-core finds nothing serious in it. Pictures of all of them are left in
the data folder (`.local/screens`), for people to judge.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib import admin
from django.test import Client
from playwright.sync_api import Browser, Page

from billing.sandbox import seed
from billing.tests.test_admin import list_url, live, page_url
from billing.tests.test_backoffice.desk import ACTIONS, WHY, bring_about, page_of
from billing.tests.test_backoffice.states import make_credits, make_others, make_rows, make_work
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import make_client, make_user
from smartspec.users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]

LONG_ADDRESS = "margarete.hollenbach-winter@long-company-name.example"
EDITED = ("package", "plan", "rate")
# What scrolls sideways inside a page; of what is narrower one expects no more than a line.
SCROLLING = """() => [...document.querySelectorAll("*")].filter(part =>
    part.clientWidth > 300 && part.scrollWidth > part.clientWidth + 1
    && ["auto", "scroll"].includes(getComputedStyle(part).overflowX) && part.tagName !== "PRE"
  ).map(part => `${part.tagName}.${part.className} ${part.scrollWidth} > ${part.clientWidth}`)"""


@pytest.fixture
def person(db: None) -> User:
    """Somebody with rows of every state, beside others."""
    now = clock.now()
    user: User = make_user(LONG_ADDRESS, name="Margarete Hollenbach-Winter")
    live(make_user("quiet@smartspec.test"), now)
    for make in (make_rows, make_work, make_others, make_credits):
        make(user, now)
    credits_services.count_days(now=now, days=31)
    return user


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(browser: Browser, live_server: Any, scheme: str) -> Iterator[Page]:
    """The browser of a superuser, who sees everything. Plans can be bought."""
    seed.seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
    client = Client()
    client.force_login(make_user("root@staff.test", name="Ada Staff", is_staff=True, is_superuser=True))
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        base_url=live_server.url,
    )
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


class Look:
    """Looks at pages one by one, and keeps what is wrong with any of them."""

    def __init__(self, page: Page, scheme: str) -> None:
        self.page, self.scheme, self.found, self.errors = page, scheme, dict[str, list[str]](), list[str]()
        self.folder = Path(settings.DATA_DIR) / "screens"
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def at(self, name: str) -> None:
        """Look at the page that is open."""
        wrong = [*self.errors, *self.page.evaluate(SCROLLING)]
        width = self.page.evaluate("document.documentElement.scrollWidth")
        wrong += [f"{width} pixels wide"] if width > 1280 else []
        self.page.screenshot(path=self.folder / f"{name}-{self.scheme}.png", full_page=True)
        wrong += self.violations()
        if wrong:
            self.found[name] = wrong
        self.page.evaluate("0")  # axe itself writes styles: let what is said of them be heard before the next page
        self.errors.clear()

    def violations(self) -> list[str]:
        answer = Axe().run(self.page, options={"resultTypes": ["violations"]}).response
        return [
            f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
            for rule in answer["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def told(self) -> str:
        return "\n".join(f"{name}: {wrong}" for name, all_wrong in self.found.items() for wrong in all_wrong)

    def open(self, name: str, address: str) -> None:
        answer = self.page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        self.at(name)


class TestScreens:
    def test_of_lists_rows_and_people_are_fit_to_be_seen(self, desk: Page, scheme: str, person: User) -> None:
        look = Look(desk, scheme)
        look.open("home", "/admin/")
        look.open("found", "/admin/people/?q=a")
        look.open("person", f"{page_of(person)}?at=2026-01-01T00:00")
        look.open("person-everything", f"{page_of(person)}?show=everything")
        for model in admin.site._registry:
            name, row = str(model._meta.model_name), model._default_manager.order_by("pk").last()
            assert row is not None, model
            look.open(f"list-{name}", list_url(model))
            look.open(f"row-{name}", page_url(row))
            if name in EDITED and name != "plan":
                look.open(f"add-{name}", f"{list_url(model)}add/")
        for name, action in (("webhook", "replay"), ("webhook", "ignore"), ("rate", "withdraw"), ("apikey", "revoke")):
            model = next(model for model in admin.site._registry if model._meta.model_name == name)
            row = model._default_manager.order_by("pk").last()
            look.open(f"do-{action}-{name}", f"{list_url(model)}do/{action}/?row={row.pk if row else ''}")
        assert not look.found, look.told()

    def test_of_actions_are_fit_to_be_seen_before_and_after_the_preview(self, desk: Page, scheme: str) -> None:
        look = Look(desk, scheme)
        for action, (fields, _) in ACTIONS.items():
            user = make_user(f"{action}.{LONG_ADDRESS}")
            target = bring_about(user, action, make_client(user), clock.now())
            look.open(f"action-{action}-form", f"{page_of(user, action)}?target={target}")
            fill(desk, WHY | fields)
            desk.click("button[name=preview]")
            desk.wait_for_selector("#preview")
            look.at(f"action-{action}-preview")
        assert not look.found, look.told()


def fill(page: Page, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        field = page.locator(f":is(select, input:not([type=hidden]), textarea)[name={name}]")
        if field.count() and field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        elif field.count():
            field.fill(value)
