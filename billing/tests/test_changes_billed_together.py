"""Several changes that staff make in Stripe's dashboard, billed together later: the last one counts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import PaidInvoice, Subscription
from billing.sandbox import store
from billing.tests.conftest import Travel
from billing.tests.test_elsewhere import ENTERPRISE, PRO, update_at_stripe
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]


@pytest.fixture
def change_all(alice_client: APIClient, subscribe: Subscribe, travel: Travel) -> Callable[..., None]:
    """Return a function that makes changes of Alice's plan, from the tenth day on, and lets its renewal bill them."""

    def change(*prices: str, apart: timedelta) -> None:
        subscription_id = subscribe(alice_client)
        start, end = Subscription.objects.values_list("current_period_start", "current_period_end").get()
        for number, price in enumerate(prices):
            travel(start + timedelta(days=10) + apart * number)
            update_at_stripe(subscription_id, price, proration_behavior="create_prorations")
        travel(end + timedelta(hours=2))

    return change


def starts(invoice: PaidInvoice) -> list[datetime]:
    lines = store.get("invoice", invoice.pk)["lines"]["data"]
    return [store.moment(line["period"]["start"]) for line in lines if line["amount"]]


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1), timedelta(days=5)])
def test_there_and_back_give_nothing(alice: Any, change_all: Callable[..., None], apart: timedelta) -> None:
    change_all(ENTERPRISE, PRO, apart=apart)
    assert (tier(alice), allowances(alice)) == ("pro", [500, 500])


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1), timedelta(days=5)])
def test_that_end_higher_give_what_is_left_of_the_month(
    alice: Any, change_all: Callable[..., None], apart: timedelta
) -> None:
    change_all(ENTERPRISE, PRO, ENTERPRISE, apart=apart)
    recorded = PaidInvoice.objects.get(billing_reason="subscription_cycle")
    month = recorded.subscription.anchor_at, Subscription.objects.get().current_period_start
    left = (month[1] - month[0] - timedelta(days=10) - 2 * apart) / (month[1] - month[0])
    assert (tier(alice), recorded.upgraded_at) == ("enterprise", month[0] + timedelta(days=10) + 2 * apart)
    assert recorded.upgrade_credits == pytest.approx(Decimal(4500 * left), abs=1)
    assert allowances(alice) == [500, recorded.upgrade_credits, 5000]


def test_stand_newest_first_on_their_invoice(change_all: Callable[..., None]) -> None:
    change_all(ENTERPRISE, PRO, apart=timedelta(days=5))
    *prorations, _period = starts(PaidInvoice.objects.get(billing_reason="subscription_cycle"))
    assert prorations == sorted(prorations, reverse=True)
    assert prorations[0] > prorations[-1]
    assert clock.now() > prorations[0]
