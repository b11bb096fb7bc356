"""Nobody makes us ask Stripe without end: what asks has a limit for each person, and for each checkout."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing import urls
from billing.tests.conftest import open_credits, pay

pytestmark = pytest.mark.django_db

# What answers from our own tables.
ASKS_NOBODY = {"ConfigView", "PackagesView", "QuoteView", "SubscriptionView"}
PLAN = {"plan": "pro", "interval": "monthly"}


@pytest.fixture
def alices_browser(alice: Any) -> Client:
    client = Client()
    client.force_login(alice)
    return client


class TestPerson:
    @pytest.mark.parametrize(
        ("method", "path", "fields"),
        [
            ("post", "/account/buy", {"credits_amount": 100}),
            ("get", "/account/buy/cards", {}),
            ("post", "/account/plans", PLAN),
            ("get", "/account/plans/change", PLAN),
            ("post", "/account/plans/change", PLAN),
            ("post", "/account/plans/undo", {}),
            ("post", "/account/plans/cancel", {}),
            ("post", "/account/plans/resume", {}),
            ("get", "/account/billing", {}),
            ("post", "/account/billing/cards/pm_1/default", {}),
            ("post", "/account/billing/cards/pm_1/remove", {}),
            ("post", "/account/portal", {}),
        ],
    )
    def test_waits_on_a_page_that_asks(
        self, alices_browser: Client, bob: Any, settings: Any, method: str, path: str, fields: dict[str, Any]
    ) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"stripe": "1/d"}
        assert getattr(alices_browser, method)(path, fields).status_code < 400
        answer = getattr(alices_browser, method)(path, fields)
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)
        assert "Too many attempts" in answer.content.decode()
        alices_browser.force_login(bob)
        assert getattr(alices_browser, method)(path, fields).status_code < 400

    def test_looks_at_prices_and_plans_without_a_limit_of_their_own(
        self, alices_browser: Client, settings: Any
    ) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"stripe": "0/d"}
        for path in ("/account/buy", "/account/plans"):
            assert alices_browser.get(path).status_code == 200

    def test_has_a_limit_at_every_call_that_asks(self) -> None:
        views = {view.callback.cls for view in urls.urlpatterns}  # type: ignore[attr-defined]
        without = {view.__name__ for view in views if not hasattr(view, "throttle_rate")}
        assert without == ASKS_NOBODY


class TestCheckout:
    def test_is_asked_about_so_often_and_no_more(self, alice_client: APIClient, settings: Any) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"checkout": "2/d"}
        session_id = open_credits(alice_client, 100)
        other_id = open_credits(alice_client, 250)
        for _ in range(2):
            Client().get("/pay/return", {"session_id": session_id})
        pay(session_id)
        pay(other_id)
        page = Client().get("/pay/return", {"session_id": session_id})
        assert (page.status_code, 'data-state="open"' in page.content.decode()) == (200, True)
        assert status_of(alice_client, session_id) == "open"
        assert status_of(alice_client, other_id) == "fulfilled"
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"checkout": "30/m"}  # its window has another number
        assert status_of(alice_client, session_id) == "fulfilled"


def status_of(client: APIClient, session_id: str) -> str:
    return str(client.get(f"/api/payment/checkout/{session_id}").json()["status"])
