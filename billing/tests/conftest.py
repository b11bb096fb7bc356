"""What billing's tests share: a Stripe of our own, seeded, and people who pay on its hosted page."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page
from rest_framework.test import APIClient

from billing.sandbox import cards, seed
from billing.sandbox.services import checkout, timekeeping
from billing.tests.browsing import Screen, join
from smartspec import clock
from smartspec.testing import Product, SetClock

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
POOR_CARD = "4000000000009995"
ASKING_CARD = "4000002500003155"
FAILS_LATER_CARD = "4000000000000341"


@pytest.fixture(autouse=True)
def stripe(request: pytest.FixtureRequest) -> None:
    """The sandbox's account, prices and webhook endpoint, in this test's database.

    Those who drive a browser do so on the running product, which has a database of its own.
    """
    if request.node.get_closest_marker("browser"):
        return
    request.getfixturevalue("db")
    seed.seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")


@pytest.fixture
def run_jobs(run_jobs: Callable[..., int]) -> Callable[..., int]:
    """Run everything but dj-stripe's copying, for which no effect waits; with `mirror` that as well."""

    def run(*, mirror: bool = False) -> int:
        return run_jobs(skip=() if mirror else ("billing.tasks.mirror_event",))

    return run


Travel = Callable[[datetime], None]


@pytest.fixture
def travel(set_clock: SetClock, run_jobs: Callable[[], int], django_capture_on_commit_callbacks: Any) -> Travel:
    """Return a function that lets it be another time, with everything that happens until then; mail leaves."""

    def to(moment: datetime) -> None:
        set_clock(moment)
        timekeeping.pass_time(now=moment)
        with django_capture_on_commit_callbacks(execute=True):
            run_jobs()

    return to


def pay(session_id: str, number: str = GOOD_CARD) -> checkout.PaymentOutcome:
    """Pay an open session by card on its hosted page."""
    card = checkout.CardFields(
        number=number, expiry="12 / 34", cvc="123", name="Alice", email="alice@smartspec.test", postal_code="10115"
    )
    return checkout.pay_with_card(session_id=session_id, card=card, now=clock.now())


def pay_later(session_id: str) -> checkout.PaymentOutcome:
    """Complete an open session by a bank debit, whose answer is still to come."""
    return checkout.pay_with_bank_debit(session_id=session_id, account_number=cards.ANSWERED_BY_HAND, now=clock.now())


def settle_debit(session_id: str, outcome: str) -> None:
    """The bank's answer: succeed or fail."""
    checkout.settle_bank_debit(session_id=session_id, now=clock.now(), outcome=outcome)  # type: ignore[arg-type]


def open_credits(client: APIClient, credits_amount: int = 100, **body: Any) -> str:
    """Open a credits checkout by the API and return its session id."""
    answer = client.post("/api/payment/checkout/credits", {"credits_amount": credits_amount, **body})
    assert answer.status_code == 200, answer.content
    return str(answer.json()["session_id"])


def open_plan(client: APIClient, plan: str = "pro", interval: str = "monthly", **body: Any) -> str:
    """Open a subscription checkout by the API and return its session id."""
    answer = client.post("/api/payment/checkout/subscription", {"plan": plan, "interval": interval, **body})
    assert answer.status_code == 200, answer.content
    return str(answer.json()["session_id"])


@pytest.fixture
def subscribe(run_jobs: Callable[[], int]) -> Callable[..., str]:
    """Return a function that subscribes a client to a plan and returns the subscription's id."""

    def subscribe_client(client: APIClient, plan: str = "pro", interval: str = "monthly", card: str = GOOD_CARD) -> str:
        assert pay(open_plan(client, plan, interval), card).status == "complete"
        run_jobs()
        subscription = client.get("/api/payment/subscription").json()
        assert subscription["plan"] == plan
        return str(subscription["id"])

    return subscribe_client


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


# --- People with a browser ----------------------------------------------------------------------------------------


@pytest.fixture
def stranger(new_context: Any, screen: Screen) -> Page:
    """The browser of somebody whom nobody knows yet, on the story's screen."""
    context = new_context(viewport={"width": screen.width, "height": 900}, locale=screen.language)
    page: Page = context.new_page()
    page.set_default_timeout(30_000)
    return page


@pytest.fixture
def newcomer(stranger: Page, product: Product) -> Page:
    """The browser of somebody who has just signed up and confirmed their address, at their account."""
    join(stranger, product)
    return stranger
