"""Everybody's pages, whatever state they are in: the numbers of the API, and all of it in the reader's language."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.formats import date_format
from rest_framework.test import APIClient

from billing.models import Purchase, Subscription
from billing.tests.conftest import open_credits, pay, pay_later, settle_debit
from credits import services as credits_services
from credits.models import Account
from media.models import StorageAccount
from smartspec import clock
from smartspec.testing import make_client, make_user

pytestmark = pytest.mark.django_db

QUERIES_PER_PAGE = 12
PAGES = (
    *("/account", "/account/plans", "/account/plans?interval=yearly", "/account/buy", "/account/transactions"),
    *("/account/transactions?search=nothing", "/account/billing"),
)


class Person:
    """Somebody, by the app and by their browser."""

    def __init__(self, *, is_verified: bool = True, email: str = "mali@smartspec.test") -> None:
        self.user = make_user(email, is_verified=is_verified)
        self.api: APIClient = make_client(self.user)

    def browser(self, language: str) -> Client:
        client = Client(headers={"Accept-Language": language})
        client.force_login(self.user)
        return client

    def told(self, path: str, **query: str) -> Any:
        answer = self.api.get(f"/api/{path}", query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def give(self, credits: str, **options: Any) -> None:
        credits_services.grant(
            account_id=self.user.pk,
            kind=options.pop("kind", "bonus"),
            credits=Decimal(credits),
            source=options.pop("source", f"gift {credits}"),
            now=clock.now(),
            **options,
        )

    def start_job(self, images: int) -> str:
        return credits_services.place_hold(
            account_id=self.user.pk,
            operation="image_generation",
            quantity=images,
            model_id="flux-1.1-pro",
            reference_id=f"job {images}",
            idempotency_key=f"job {images}",
            now=clock.now(),
        ).id

    def finish_job(self, images: int) -> None:
        credits_services.capture_hold(hold_id=self.start_job(images), now=clock.now())


Subscribe = Callable[..., str]


# --- States -------------------------------------------------------------------------------------------------------


def has_nothing(person: Person, subscribe: Subscribe) -> str:
    return "No transactions yet."


def is_on_free(person: Person, subscribe: Subscribe) -> str:
    person.give("10", kind="subscription", source="allowance:free:now")
    person.finish_job(9)
    return "less than a fifth"


def is_busy_on_pro(person: Person, subscribe: Subscribe) -> str:
    subscribe(person.api)
    person.give("40.25", expires_at=clock.now() + timedelta(days=3))
    person.finish_job(7)
    person.start_job(30)
    return "in 3 days"


def pays_by_the_year(person: Person, subscribe: Subscribe) -> str:
    subscribe(person.api, "enterprise", "yearly")
    return "yearly"


def is_past_due(person: Person, subscribe: Subscribe) -> str:
    Subscription.objects.filter(pk=subscribe(person.api)).update(status="past_due")
    Account.objects.filter(pk=person.user.pk).update(paid_until=clock.now() - timedelta(hours=1))
    return "No new monthly credits until your plan is paid."


def is_in_debt(person: Person, subscribe: Subscribe) -> str:
    person.give("100", kind="purchase", source="purchase:1")
    person.finish_job(80)
    credits_services.claw_back(
        account_id=person.user.pk,
        kind="purchase",
        source="purchase:1",
        credits=Decimal("52.5"),
        idempotency_key="refund",
        now=clock.now(),
        description="Credits of a refunded payment",
    )
    return "32.5 credits are owed"


def is_frozen(person: Person, subscribe: Subscribe) -> str:
    person.give("100")
    credits_services.freeze(account_id=person.user.pk, cause="staff", now=clock.now())
    return "Your account is frozen."


def goes_down_soon(person: Person, subscribe: Subscribe) -> str:
    body = {"subscription_id": subscribe(person.api, "enterprise"), "new_plan": "pro"}
    assert person.api.post("/api/payment/subscription/change-plan", body).json()["status"] == "scheduled"
    return "Changes to"


def has_cancelled(person: Person, subscribe: Subscribe) -> str:
    subscription_id = subscribe(person.api, "pro", "yearly")
    person.api.post("/api/payment/subscription/cancel", {"subscription_id": subscription_id})
    return "Ends soon"


def owes_for_storage(person: Person, subscribe: Subscribe) -> str:
    now = clock.now()
    StorageAccount.objects.create(
        user=person.user,
        metered_at=now,
        billed_until=now.date(),
        billed_credits=Decimal("3.25"),
        unpaid_since=now,
        step="uploads_stopped",
    )
    return "Until then no new files can be uploaded."


STATES = (
    *(has_nothing, is_on_free, is_busy_on_pro, pays_by_the_year, is_past_due, is_in_debt, is_frozen),
    *(goes_down_soon, has_cancelled, owes_for_storage),
)


@pytest.fixture(params=STATES, ids=lambda state: state.__name__)
def person(request: pytest.FixtureRequest, subscribe: Subscribe) -> Person:
    """Somebody in one of the states, whose overview says so."""
    somebody = Person()
    sentence = request.param(somebody, subscribe)
    assert sentence in somebody.browser("en").get("/account").content.decode()
    return somebody


# --- What every page must be --------------------------------------------------------------------------------------

# Names, and what somebody else has written, are the same in every language.
SAME_IN_THAI = {
    *("SmartSpec", "Pro", "Free", "Enterprise", "Starter", "Basic", "Standard", "Business", "Stripe", "Visa", "UTC"),
    *("PDF", "CSV", "JSON", "API", "SLA", "English", "mali@smartspec.test", "flux-1.1-pro"),
    *("visa", "Authenticator", "GB", "MB"),
}
INVOICE_NUMBER = re.compile(r"[A-Z0-9]+-\d{4}")
HIDDEN = re.compile(r"<(script|style|head|code)\b.*?</\1>", re.DOTALL)
SPOKEN = re.compile(r"\b(?:aria-label|placeholder|alt|title)=\"([^\"]*)\"")


def texts(page: str) -> Iterator[str]:
    """Yield everything that a page says, to the eye or aloud."""
    title = re.search(r"<title>([^<]*)", page)
    shown = HIDDEN.sub(" ", page)
    yield from filter(None, [title and title[1], *SPOKEN.findall(shown)])
    yield from re.sub(r"<[^>]*>", "\n", shown).split("\n")


def english_words(page: str) -> list[str]:
    """Return what a page says in Latin letters, names aside."""
    words = (word.strip(".,:;()%•·+") for text in texts(page) for word in html.unescape(text).split())
    return [
        word
        for word in words
        if re.search(r"[A-Za-z]{2}", word) and word not in SAME_IN_THAI and not INVOICE_NUMBER.fullmatch(word)
    ]


def shown(page: str, name: str) -> Decimal:
    """Return a number that a page shows, by the attribute that names it."""
    match = re.search(rf"<[^>]* data-{name}>([^<]+)<", page)
    assert match, name
    return Decimal(match[1].replace(",", "").replace("−", "-").replace("$", ""))


def day(moment: str) -> str:
    """Return a moment of the API as the pages write its day."""
    return date_format(datetime.fromisoformat(moment))


class TestEveryState:
    def test_shows_the_numbers_of_the_api(self, person: Person) -> None:
        browser = person.browser("en")
        overview, plans, buy, transactions, billing = (
            browser.get(path).content.decode()
            for path in ("/account", "/account/plans", "/account/buy", "/account/transactions", "/account/billing")
        )
        balance = person.told("credits/balance")
        for name in ("available", "used", "reserved"):
            assert shown(overview, f"{name}-credits") == Decimal(str(balance[f"{name}_credits"]))
        assert shown(buy, "available-credits") == Decimal(str(balance["available_credits"]))
        assert (f"{balance['debt_credits']:g} credits are owed" in overview) == (balance["debt_credits"] > 0)
        for lot in balance["expires_soon"]:
            assert f"{lot['credits']:g} credits expire" in overview
            assert day(lot["expires_at"]) in overview

        plan = person.told("payment/subscription")
        for page in (overview, plans):
            assert f'id="current-plan">{plan["display_name"]}<' in page
        for moment in (plan["next_allowance_at"], plan["access_ends_at"], plan["id"] and plan["current_period_end"]):
            assert moment is None or day(moment) in overview
        assert ("Next credits" in overview) == bool(
            plan["next_allowance_at"]
            and (not plan["access_ends_at"] or plan["next_allowance_at"] < plan["access_ends_at"])
        )
        if plan["pending_change"]:
            assert day(plan["pending_change"]["effective_at"]) in overview
            assert day(plan["pending_change"]["effective_at"]) in plans
            assert f"paid {plan['pending_change']['interval']}, on" in plans

        history = person.told("credits/transactions", limit="25")
        summary = person.told("credits/transactions/summary")["summary"].values()
        assert shown(transactions, "total") == history["total"]
        assert shown(transactions, "came-in") == sum(Decimal(str(s["total"])) for s in summary if s["total"] > 0)
        assert shown(transactions, "went-out") == sum(Decimal(str(s["total"])) for s in summary if s["total"] < 0)
        for entry in history["transactions"]:
            assert entry["id"] in transactions

        upcoming = person.told("payment/invoices/upcoming")["upcoming_invoice"]
        assert ("data-amount-next" in billing) == (upcoming is not None)
        if upcoming:
            assert shown(billing, "amount-next") * 100 == upcoming["amount_due"]
        for invoice in person.told("payment/invoices")["invoices"]:
            assert invoice["number"] in billing
        for card in person.told("payment/payment-methods")["payment_methods"]:
            assert f"•••• {card['last4']}" in billing

    def test_speaks_thai_alone_after_a_dozen_queries_at_most(self, person: Person) -> None:
        browser = person.browser("th")
        entries = [f"/account/transactions/{t['id']}" for t in person.told("credits/transactions")["transactions"]]
        browser.get("/account")  # the first use of a session is noted
        for path in (*PAGES, *entries):
            with CaptureQueriesContext(connection) as queries:
                page = browser.get(path).content.decode()
            assert english_words(page) == [], path
            # Stripe is in this process here; what it asks its own tables is a call over the network elsewhere.
            asked = [query["sql"] for query in queries if not re.search(r"billing_sandbox_|SAVEPOINT", query["sql"])]
            assert len(asked) <= QUERIES_PER_PAGE, "\n".join([path, *asked])


class TestUnconfirmedAddress:
    def test_is_promised_no_credits_of_frees(self) -> None:
        for is_verified in (True, False):
            person = Person(is_verified=is_verified, email=f"{is_verified}@smartspec.test".lower())
            credits_services.give_allowances(account_id=person.user.pk, now=clock.now())
            assert ("Next credits" in person.browser("en").get("/account").content.decode()) == is_verified


class TestOtherPages:
    def test_speak_thai_to_strangers(self) -> None:
        browser = Client(headers={"Accept-Language": "th"})
        for path in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/account/open/used-up"):
            assert english_words(browser.get(path).content.decode()) == [], path

    def test_speak_thai_about_ones_own_doors(self) -> None:
        person = Person(is_verified=False)
        browser = person.browser("th")
        paths = ("email/", "password/change/", "2fa/", "sessions/", "logout/", "confirm-email/", "reauthenticate/")
        said = {path: english_words(browser.get(f"/accounts/{path}", follow=True).content.decode()) for path in paths}
        assert {path: words for path, words in said.items() if words} == {}

    def test_speak_thai_of_every_end_of_a_payment(self, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        seen = set()
        for state in ("open", "processing", "failed", "fulfilled", "expired", "needs_review"):
            session_id = open_credits(alice_client, 100)
            if state in ("processing", "failed"):
                pay_later(session_id)
            if state == "failed":
                settle_debit(session_id, "fail")
            if state == "fulfilled":
                pay(session_id)
            if state in ("expired", "needs_review"):
                reason = "amount" if state == "needs_review" else ""
                Purchase.objects.filter(session_id=session_id).update(state=state, review_reason=reason)
            browser = Client(headers={"Accept-Language": "th"})
            page = browser.get("/pay/return", {"session_id": session_id}).content.decode()
            match = re.search(r'data-state="(\w+)"', page)
            assert match
            seen.add(match[1])
            assert english_words(page) == [], state
            purchase = Purchase.objects.get(session_id=session_id)
            assert english_words(browser.get("/pay/cancel", {"checkout": str(purchase.pk)}).content.decode()) == []
        assert seen == {"open", "processing", "failed", "fulfilled", "expired", "needs_review"}
