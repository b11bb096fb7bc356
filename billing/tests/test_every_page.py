"""Every page for people, read from the URL map, for somebody who has more of everything than anybody."""

import gzip
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from billing.models import Purchase
from billing.sandbox import store
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_page_states import QUERIES_PER_PAGE, Person
from credits import catalogue
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import PASSWORD, make_client

pytestmark = pytest.mark.django_db

MUCH = 220  # of everything
LARGEST_PAGE_BYTES = 50_000  # over the wire, with its style and scripts
FILES = ["smartspec/style.css", "django_htmx/htmx-2.min.js", "smartspec/page.js"]
OF_PEOPLE = re.compile(r"accounts?(/|$)|pay/")
PARAMETER = re.compile(r"<(?:\w+:)?\w+>|\(\?P<\w+>[^()]*\)")
# What else a page is asked.
QUESTIONS = {
    "account": ("days=7", "days=90", "seen=x"),
    "account/transactions": (
        *("page=5", "page=99", "type=usage", "search=job", "search=nothing"),
        *("date_from=2026-01-01&date_to=2026-01-02", "date_from=2026-01-02&date_to=2026-01-01"),
    ),
    "account/buy": ("credits_amount=999", "credits_amount=x"),
    "account/plans": ("interval=yearly",),
    "account/billing": ("after={invoice}",),
}
# The preview of a change asks Stripe, so its calls are counted; it first brings our row up to date with Stripe's, and
# looks whether anybody else changes it.
MORE_QUERIES = {"account/plans/change": 19}
# Without this question there is no page.
NEEDED = {
    "account/plans/change": "plan=enterprise&interval=monthly",
    "pay/return": "session_id={session}",
    "pay/cancel": "checkout={checkout}",
    "pay/back": "to=smartspec://account",
}
# What buttons do, files, and links that are used up.
NO_PAGES = {
    *("account/plans/undo", "account/plans/resume", "account/portal", "account/viewing/end", "account/language"),
    *("account/billing/cards/<str:card_id>/default", "account/billing/cards/<str:card_id>/remove"),
    *("account/transactions/export", "account/open/<str:token>", "account/verify/<str:token>"),
}

# Of allauth's addresses these are pages whatever the state that somebody's log-in is in.
DOORS = {
    f"accounts/{name}" for name in ("login/", "signup/", "logout/", "email/", "password/reset/", "password/change/")
}
DOORS |= {"accounts/2fa/", "accounts/sessions/"}


def addresses(resolver: Any = None, before: str = "") -> Iterator[str]:
    """Yield every address of the URL map that is for people."""
    for pattern in (resolver or get_resolver()).url_patterns:
        address = before + str(pattern.pattern).lstrip("^").rstrip("$")
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern, address)
        elif OF_PEOPLE.match(address):
            yield address


class Rich(Person):
    """Somebody with a plan, and much of everything: jobs, models, lots that end soon, invoices, cards, devices."""

    def __init__(self) -> None:
        super().__init__()
        self.values = {"session": open_plan(self.api)}
        pay(self.values["session"])
        self.told(f"payment/checkout/{self.values['session']}")
        open_credits(self.api, 100)
        self.values["checkout"] = str(Purchase.objects.get().pk)
        now = clock.now()
        for number in range(MUCH):
            self.give("20", source=f"gift {number}", expires_at=now + timedelta(minutes=37 * (number + 1)))
            credits_services.charge(
                account_id=self.user.pk,
                operation="image_generation",
                credits=Decimal("1.5"),
                idempotency_key=f"job {number}",
                model_id=f"a-model-with-a-rather-long-name-{number}",
                description="Image generation",
                reference_id=f"job-{uuid4()}",
                now=now,
            )
            key = make_client(self.user).defaults["HTTP_AUTHORIZATION"].split()[1]
            UserSession.objects.create(
                user=self.user, ip="203.0.113.7", session_key=key, user_agent=f"Firefox/{number}"
            )
        for kind in ("invoice", "payment_method"):
            (sample,) = store.find(kind)
            for number in range(MUCH):
                store.add(sample | {"id": f"{sample['id']}{number}"})
        self.values["invoice"] = f"{store.find('invoice')[0]['id']}"
        self.values["entry"] = self.told("credits/transactions", limit="1")["transactions"][0]["id"]


def signed_in(email: str) -> Client:
    """A browser of somebody who has just signed in by password."""
    browser = Client(headers={"Accept-Encoding": "gzip"})
    answer = browser.post("/accounts/login/", {"login": email, "password": PASSWORD})
    assert answer.status_code == 302
    return browser


def newcomer() -> Client:
    """A browser of somebody who has just signed up and has a code to type."""
    browser = Client(headers={"Accept-Encoding": "gzip"})
    answer = browser.post("/accounts/signup/", {"email": "new@smartspec.test", "password1": PASSWORD})
    assert answer.status_code == 302
    return browser


def forget_and_read_again() -> None:
    """Let plans and rates, which a process remembers for some seconds, be read by no page that is counted."""
    catalogue.forget()
    catalogue.get()


def size_of(answer: Any) -> int:
    """Return how many bytes of an answer's body travel."""
    assert answer["Content-Encoding"] == "gzip"
    return len(b"".join(answer))


class TestEveryPage:
    def test_is_light_and_quick_whatever_the_data(self) -> None:
        """At most a dozen queries and 50 kB each, nothing from elsewhere, no style and no script inside."""
        rich = Rich()
        browsers = [signed_in(rich.user.email), newcomer(), Client(headers={"Accept-Encoding": "gzip"})]
        for browser in browsers:
            browser.get("/account")  # the first use of a session is noted
        files_size = sum(size_of(browsers[-1].get(f"/static/{name}")) for name in FILES)
        pages, complaints = set(), {}
        for address in addresses():
            path = "/" + PARAMETER.sub(rich.values["entry"] if "entry_id" in address else "x-x", address)
            for question in (NEEDED.get(address, ""), *QUESTIONS.get(address, ())):
                url = f"{path}?{question.format(**rich.values)}"
                for browser in browsers:
                    forget_and_read_again()
                    with CaptureQueriesContext(connection) as queries:
                        answer = browser.get(url)
                    if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
                        break
                else:
                    continue
                pages.add(address)
                # Stripe is in this process here; what it asks its own tables is a call over the network elsewhere.
                asked = [q["sql"] or "" for q in queries]
                asked = [sql for sql in asked if not re.search(r"billing_sandbox_|SAVEPOINT", sql)]
                most = MORE_QUERIES.get(address, QUERIES_PER_PAGE)
                complaints[url] = wrong_with(answer, asked, most, files_size)
        assert {url: wrong for url, wrong in complaints.items() if wrong} == {}
        assert {address for address in addresses() if not address.startswith("accounts/")} - pages == NO_PAGES
        assert pages >= DOORS


def wrong_with(answer: Any, asked: list[str], most: int, files_size: int) -> list[str]:
    """Return what is wrong with a page."""
    sent = b"".join(answer)
    page = gzip.decompress(sent).decode() if answer.get("Content-Encoding") == "gzip" else sent.decode()
    wrong = [f"{len(asked)} queries:", *asked] if len(asked) > most else []
    if len(sent) + files_size > LARGEST_PAGE_BYTES:
        wrong.append(f"{len(sent) + files_size} bytes")
    wrong += re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    if "unsafe" in answer["Content-Security-Policy"]:
        wrong.append(answer["Content-Security-Policy"])
    loaded = re.findall(r'(?:<script src|<link rel="stylesheet" href)="/static/([^"]+)"', page)
    if "<html" in page and loaded != FILES:
        wrong.append(f"loads {loaded}")
    return wrong
