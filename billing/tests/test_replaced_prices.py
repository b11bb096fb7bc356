"""A price that was replaced: who subscribed at it goes on paying it, and gets what it pays for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Subscription
from billing.sandbox import store
from billing.tests.conftest import Travel
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
OLD = "price_smartspec_pro_monthly"
URL = "/api/payment/subscription"


def replace_price(settings: Any, *, is_labelled: bool = True) -> str:
    """Let the plan cost something else than its price, and do what setup_stripe says; return the new price."""
    price = store.get("price", OLD)
    label = price["metadata"] if is_labelled else {}
    store.save(price | {"unit_amount": 1900, "unit_amount_decimal": "1900", "metadata": label})
    setup = services.set_up_stripe(handled_events=(), is_dry_run=False)
    new = setup.environment["STRIPE_PRICE_PRO_MONTHLY"]
    assert new != OLD
    settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "monthly"): new}
    return new


@pytest.fixture
def subscription_id(alice_client: APIClient, subscribe: Subscribe, settings: Any, run_jobs: Callable[[], int]) -> str:
    """Somebody who subscribed before the price was replaced."""
    made = subscribe(alice_client)
    replace_price(settings)
    run_jobs()
    return made


def renew(travel: Travel) -> None:
    travel(Subscription.objects.get().current_period_end)
    travel(clock.now() + timedelta(hours=1, minutes=1))


def test_goes_on_giving_its_months(alice: Any, subscription_id: str, travel: Travel) -> None:
    renew(travel)
    assert allowances(alice) == [500, 500]
    assert Subscription.objects.get().price_id == OLD
    assert services.reconcile(now=clock.now()).remaining == 0


def test_can_be_upgraded_from(
    alice: Any, alice_client: APIClient, subscription_id: str, run_jobs: Callable[[], int]
) -> None:
    body = {"subscription_id": subscription_id, "new_plan": "enterprise"}
    assert alice_client.post(f"{URL}/change-plan", body).json()["credits_granted"] > 4_000
    run_jobs()
    assert tier(alice) == "enterprise"


def test_can_be_cancelled_and_gone_on_with(
    alice: Any, alice_client: APIClient, subscription_id: str, travel: Travel
) -> None:
    for path in ("cancel", "reactivate"):
        assert alice_client.post(f"{URL}/{path}", {"subscription_id": subscription_id}).status_code == 200
    renew(travel)
    assert (tier(alice), allowances(alice)) == ("pro", [500, 500])


def test_is_led_to_by_a_scheduled_change(
    alice: Any, alice_client: APIClient, subscribe: Subscribe, settings: Any, travel: Travel
) -> None:
    subscription_id = subscribe(alice_client, plan="enterprise")
    alice_client.post(f"{URL}/change-plan", {"subscription_id": subscription_id, "new_plan": "pro"})
    replace_price(settings)
    renew(travel)
    assert (tier(alice), allowances(alice)) == ("pro", [5000, 500])


def test_made_by_hand_is_labelled_before_another_is_sold(
    alice: Any, alice_client: APIClient, subscribe: Subscribe, settings: Any, travel: Travel
) -> None:
    price = store.get("price", OLD)
    store.save(price | {"metadata": {}, "lookup_key": None})
    assert "run manage.py setup_stripe" in services.compare_prices()[0]
    subscribe(alice_client)
    replace_price(settings, is_labelled=False)
    assert services.compare_prices() == []
    renew(travel)
    assert allowances(alice) == [500, 500]


def test_is_never_labelled_by_a_variable_that_names_it_by_mistake(settings: Any) -> None:
    price = store.get("price", OLD)
    store.save(price | {"metadata": {}, "lookup_key": None})
    settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "monthly"): "", ("enterprise", "yearly"): OLD}
    call_command("setup_stripe", verbosity=0)
    assert gateway.retrieve_price(OLD)["metadata"] == {}
