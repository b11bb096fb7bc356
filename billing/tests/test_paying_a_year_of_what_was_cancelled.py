"""Whoever cancelled at Stripe, and then pays for a year, has the year: the plan ends with it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway
from billing.models import Subscription
from billing.sandbox import store
from billing.tests.conftest import Travel
from billing.tests.test_elsewhere import view
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_subscriptions import allowances, tier
from credits import services as credits_services
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
DAYS_LEFT: Any = [None, 9]  # to the period's end, as the portal does, or to a day that staff chose


@pytest.fixture
def cancel(alice_client: APIClient, subscribe: Callable[..., str], run_jobs: RunJobs) -> Callable[[int | None], str]:
    """Return a function that lets Alice's month of Pro end at a moment, and returns the subscription's id."""

    def cancel_at(days: int | None) -> str:
        subscription_id = subscribe(alice_client)
        end = clock.now() + timedelta(days=days) if days else Subscription.objects.get().current_period_end
        gateway.update_subscription(subscription_id, {"cancel_at": store.timestamp(end)})
        run_jobs()
        assert not Subscription.objects.get().cancel_at_period_end
        return subscription_id

    return cancel_at


@pytest.mark.parametrize("days", DAYS_LEFT)
def test_has_all_of_it_and_is_cancelled_to_its_end(
    alice: Any, alice_client: APIClient, cancel: Callable[[int | None], str], travel: Travel, days: int | None
) -> None:
    subscription_id = cancel(days)
    assert change(alice_client, subscription_id, "pro", new_interval="yearly").json()["status"] == "done"
    shown = view(alice_client)
    assert shown["cancel_at_period_end"] is True
    assert shown["cancel_at"] == shown["access_ends_at"] == shown["current_period_end"]
    end = Subscription.objects.get().current_period_end
    assert end > clock.now() + timedelta(days=360)
    travel(clock.now() + timedelta(days=62))
    credits_services.give_allowances(account_id=alice.pk, now=clock.now())
    assert (tier(alice), allowances(alice)) == ("pro", [500, 500, 500])
    travel(end + timedelta(hours=2))
    assert (tier(alice), Subscription.objects.get().ended_at) == ("free", end)


@pytest.mark.parametrize("days", DAYS_LEFT)
def test_ends_as_before_when_the_card_is_refused(
    alice_client: APIClient, cancel: Callable[[int | None], str], days: int | None
) -> None:
    subscription_id = cancel(days)
    before = store.get("subscription", subscription_id)["cancel_at"]
    use_card(subscription_id, "pm_card_chargeCustomerFail")
    assert change(alice_client, subscription_id, "pro", new_interval="yearly").status_code == 422
    assert store.get("subscription", subscription_id)["cancel_at"] == before


def test_leaves_an_end_that_is_further_away(alice_client: APIClient, cancel: Callable[[int | None], str]) -> None:
    subscription_id = cancel(500)
    before = store.get("subscription", subscription_id)["cancel_at"]
    change(alice_client, subscription_id, "pro", new_interval="yearly")
    found = store.get("subscription", subscription_id)
    assert (found["cancel_at"], found["cancel_at_period_end"]) == (before, False)
