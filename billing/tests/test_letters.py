"""Receipts and bad news: each told once, whatever is delivered twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import services
from billing.models import Purchase, Subscription
from billing.tests.conftest import open_credits, pay
from smartspec import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(django_capture_on_commit_callbacks: Any, mailoutbox: list[Any]) -> Callable[..., list[str]]:
    """Return a function that calls something and returns the subjects of the mail that it sent."""

    def run(*calls: Callable[[], Any]) -> list[str]:
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            for call in calls:
                call()
        return [message.subject for message in mailoutbox]

    return run


class TestReceipts:
    def test_of_bought_credits_come_once(
        self, alice_client: APIClient, run_jobs: Callable[[], int], told: Callable[..., list[str]]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        fulfil = lambda: services.settle_session(session_id=session_id, now=clock.now())  # noqa: E731
        assert told(lambda: pay(session_id), run_jobs, fulfil, fulfil) == ["Receipt: 105 credits"]

    def test_of_a_plan_come_once(
        self, alice_client: APIClient, subscribe: Callable[..., str], told: Callable[..., list[str]]
    ) -> None:
        assert told(lambda: subscribe(alice_client)) == ["Receipt: your Pro plan"]


class TestBadNews:
    def test_of_a_refund_names_the_credits_that_went(
        self,
        alice_client: APIClient,
        run_jobs: Callable[[], int],
        told: Callable[..., list[str]],
        mailoutbox: list[Any],
    ) -> None:
        pay(open_credits(alice_client, 100))
        run_jobs()
        purchase = Purchase.objects.get()
        refund = lambda: services.refund_purchase(  # noqa: E731
            purchase=purchase, amount_cents=450, keep_credits=False, reason="x", actor="support", now=clock.now()
        )
        assert told(refund, run_jobs) == ["Your refund of $4.50"]
        assert "The 52.5 credits" in mailoutbox[0].body

    def test_of_a_card_that_expires_before_it_pays(
        self, alice_client: APIClient, subscribe: Callable[..., str], told: Callable[..., list[str]]
    ) -> None:
        subscription = Subscription.objects.get(pk=subscribe(alice_client))
        expires = clock.now().replace(year=2034, month=12)  # the test card's last month
        warn = lambda: services.warn_of_expiring_cards(now=clock.now())  # noqa: E731
        assert told(warn) == []
        renews_at = expires.replace(year=2035, month=1, day=2)
        Subscription.objects.filter(pk=subscription.pk).update(current_period_end=renews_at)
        soon = lambda: services.warn_of_expiring_cards(now=renews_at - timedelta(days=7))  # noqa: E731
        assert told(soon, soon) == ["Your card ending in 4242 expires before your plan renews"]
