"""A subscription that ended at Stripe, and nobody told us."""

from collections.abc import Callable
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Subscription
from billing.tests.conftest import open_plan, pay
from billing.tests.outage import cut_off
from billing.tests.test_subscriptions import tier
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]


@pytest.fixture(autouse=True)
def ended(alice_client: APIClient, subscribe: Callable[..., str]) -> str:
    made = subscribe(alice_client)
    gateway.cancel_subscription(made)
    ProcrastinateJob.objects.all().delete()
    assert Subscription.objects.get().ended_at is None
    return made


def test_keeps_nobody_from_subscribing_again(alice: Any, alice_client: APIClient, run_jobs: RunJobs) -> None:
    pay(open_plan(alice_client, "enterprise"))
    run_jobs()
    assert tier(alice) == "enterprise"


def test_is_still_there_while_stripe_cannot_be_asked(alice_client: APIClient) -> None:
    with cut_off(r"GET .*/subscriptions/\w+", lasts=True):
        answer = alice_client.post("/api/payment/checkout/subscription", {"plan": "pro", "interval": "monthly"})
    assert (answer.status_code, answer.json()["code"]) == (502, "stripe_unavailable")


def test_keeps_nobody_from_being_forgotten(alice: Any) -> None:
    services.forget_customer(user=alice, now=clock.now())
    assert Subscription.objects.get().status == "canceled"
