"""A subscription that staff put, in Stripe's dashboard, on a price that stands for no plan, now or later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Subscription
from billing.sandbox import store
from billing.tests.conftest import Travel
from billing.tests.test_cut_off import state
from billing.tests.test_elsewhere import PRO, update_at_stripe
from billing.tests.test_plan_changes import change
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
RunJobs = Callable[[], int]
CANCEL = "/api/payment/subscription/cancel"


def differences() -> list[str]:
    found: list[str] = []
    services.reconcile(now=clock.now(), on_difference=lambda difference, _: found.append(difference.kind))
    return found


@pytest.fixture
def price_id() -> str:
    values = {"currency": "usd", "unit_amount": 1500, "recurring": {"interval": "month"}}
    return str(gateway.create_price({**values, "product": "prod_smartspec_pro"})["id"])


class TestNow:
    @pytest.fixture
    def subscription_id(self, alice_client: APIClient, subscribe: Subscribe, price_id: str, run_jobs: RunJobs) -> str:
        made = subscribe(alice_client)
        update_at_stripe(made, price_id, proration_behavior="none")
        run_jobs()
        return made

    def test_can_be_cancelled(self, alice_client: APIClient, subscription_id: str) -> None:
        assert alice_client.post(CANCEL, {"subscription_id": subscription_id}).status_code == 200
        assert state(alice_client) == ("pro", None, True)

    def test_can_be_ended_at_once(self, alice: Any, alice_client: APIClient, subscription_id: str) -> None:
        body: dict[str, Any] = {"subscription_id": subscription_id, "at_period_end": False}
        assert alice_client.post(CANCEL, body).status_code == 200
        assert store.get("subscription", subscription_id)["status"] == "canceled"
        assert tier(alice) == "free"
        assert differences() == []

    def test_keeps_nobody_from_being_erased(
        self, alice_client: APIClient, subscription_id: str, run_jobs: RunJobs
    ) -> None:
        assert alice_client.delete("/api/me").status_code == 204
        run_jobs()
        assert store.get("subscription", subscription_id)["status"] == "canceled"

    @pytest.mark.parametrize("preview", [True, False])
    def test_is_changed_by_support_alone(
        self, preview: bool, alice_client: APIClient, subscription_id: str, price_id: str
    ) -> None:
        answer = change(alice_client, subscription_id, "enterprise", preview=preview)
        assert (answer.status_code, answer.json()["code"]) == (422, "change_not_available")
        assert "STRIPE_PRICE" not in answer.json()["detail"]
        assert store.get("subscription", subscription_id)["items"]["data"][0]["price"]["id"] == price_id

    def test_is_named_until_the_price_is_labelled(
        self, alice: Any, subscription_id: str, price_id: str, run_jobs: RunJobs
    ) -> None:
        assert differences() == ["could_not_be_compared"]
        label = {"smartspec_plan": "enterprise", "smartspec_interval": "monthly"}
        gateway.update_price(price_id, {"metadata": label})
        services.reconcile(now=clock.now(), is_repair=True)
        assert tier(alice) == "enterprise"


class TestLater:
    @pytest.fixture
    def subscription_id(self, alice_client: APIClient, subscribe: Subscribe, price_id: str) -> str:
        """Two months as they are, then one at the other price."""
        made = subscribe(alice_client)
        schedule = gateway.create_schedule(subscription_id=made)
        start = schedule["phases"][0]["start_date"]
        month = {"interval": "month", "interval_count": 1}
        phases = [
            {"items": [{"price": PRO}], "start_date": start, "duration": month | {"interval_count": 2}},
            {"items": [{"price": price_id}], "duration": month},
        ]
        gateway.update_schedule(schedule["id"], {"phases": phases, "end_behavior": "release"})
        return made

    def test_withholds_no_credits_until_then(
        self, alice: Any, alice_client: APIClient, subscription_id: str, travel: Travel
    ) -> None:
        travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        assert allowances(alice) == [500, 500]
        assert state(alice_client) == ("pro", None, False)
        assert differences() == ["could_not_be_compared"]

    def test_can_be_cancelled(self, alice_client: APIClient, subscription_id: str) -> None:
        assert alice_client.post(CANCEL, {"subscription_id": subscription_id}).status_code == 200
        assert state(alice_client) == ("pro", None, True)
        assert differences() == []

    def test_keeps_nobody_from_being_erased(
        self, alice_client: APIClient, subscription_id: str, run_jobs: RunJobs
    ) -> None:
        assert alice_client.delete("/api/me").status_code == 204
        run_jobs()
        assert store.get("subscription", subscription_id)["status"] == "canceled"
