"""A scheduled change that an upgrade takes the place of: gone once the upgrade is paid, there again if it never is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Subscription
from billing.sandbox import store
from billing.sandbox.services import authentication
from billing.services import scheduling
from billing.tests.conftest import Travel
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_subscriptions import tier
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
URL = "/api/payment/subscription"


def pending(client: APIClient) -> tuple[str, str] | None:
    found = client.get(URL).json()["pending_change"]
    return found and (found["plan"], found["interval"])


def is_nothing_noted() -> bool:
    return not any(map(scheduling.has_displaced, Subscription.objects.all()))


@pytest.fixture
def subscription_id(alice_client: APIClient, subscribe: Callable[..., str]) -> str:
    """A year of Pro that is to go on by the month."""
    made = subscribe(alice_client, "pro", "yearly")
    assert change(alice_client, made, "pro", new_interval="monthly").json()["status"] == "scheduled"
    return made


@pytest.fixture
def waiting(alice_client: APIClient, subscription_id: str, run_jobs: RunJobs) -> str:
    """The same, with an upgrade that waits for the customer's bank."""
    use_card(subscription_id, "pm_card_authenticationRequired")
    assert change(alice_client, subscription_id, "enterprise").json()["status"] == "requires_action"
    run_jobs()
    return subscription_id


def test_is_there_again_when_the_card_is_refused(
    alice: Any, alice_client: APIClient, subscription_id: str, run_jobs: RunJobs
) -> None:
    use_card(subscription_id, "pm_card_chargeCustomerFail")
    assert change(alice_client, subscription_id, "enterprise").json()["code"] == "card_refused"
    run_jobs()
    assert (tier(alice), pending(alice_client)) == ("pro", ("pro", "monthly"))
    assert is_nothing_noted()


def test_is_there_again_when_stripe_refuses_the_upgrade(
    alice_client: APIClient, subscription_id: str, run_jobs: RunJobs
) -> None:
    gateway.update_price("price_smartspec_enterprise_yearly", {"active": False})
    assert change(alice_client, subscription_id, "enterprise").status_code == 502
    assert pending(alice_client) == ("pro", "monthly")


def test_is_there_again_when_the_confirmation_never_comes(
    alice: Any, alice_client: APIClient, waiting: str, travel: Travel
) -> None:
    assert pending(alice_client) is None
    travel(clock.now() + timedelta(hours=24))
    assert store.get("subscription", waiting)["pending_update"] is None
    assert (tier(alice), pending(alice_client)) == ("pro", ("pro", "monthly"))
    assert is_nothing_noted()
    assert services.reconcile(now=clock.now()).remaining == 0


def test_is_gone_when_the_confirmation_comes(
    alice: Any, alice_client: APIClient, waiting: str, run_jobs: RunJobs
) -> None:
    (intent,) = [found for found in store.find("payment_intent") if found["status"] == "requires_action"]
    authentication.answer(intent["id"], outcome="complete", now=clock.now())
    run_jobs()
    assert (tier(alice), pending(alice_client)) == ("enterprise", None)
    assert is_nothing_noted()


@pytest.mark.parametrize("path", ["cancel-change", "cancel", "reactivate"])
def test_is_gone_when_something_else_is_decided_meanwhile(
    alice_client: APIClient, waiting: str, travel: Travel, path: str
) -> None:
    assert alice_client.post(f"{URL}/{path}", {"subscription_id": waiting}).status_code == 200
    travel(clock.now() + timedelta(hours=24))
    assert pending(alice_client) is None
    assert alice_client.get(URL).json()["cancel_at_period_end"] is (path == "cancel")


def test_is_found_by_reconcile_when_the_upgrade_was_broken_off(
    alice_client: APIClient, subscription_id: str, run_jobs: RunJobs
) -> None:
    scheduling.displace(Subscription.objects.get())  # and there the process died
    run_jobs()
    assert pending(alice_client) is None
    assert services.reconcile(now=clock.now()).remaining == 1
    assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
    assert pending(alice_client) == ("pro", "monthly")


class TestOneThatStripeSchedulesNoMore:
    """Its price was taken off sale while the upgrade waited."""

    def test_is_given_up_and_said_so_once(
        self, alice_client: APIClient, waiting: str, travel: Travel, caplog: pytest.LogCaptureFixture
    ) -> None:
        gateway.update_price("price_smartspec_pro_monthly", {"active": False})
        travel(clock.now() + timedelta(hours=24))
        for _ in range(2):
            assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        (said,) = [line for line in lines if line["event"] == "Scheduled change could not be put back"]
        assert (said["level"], said["subscription_id"]) == ("error", waiting)
        assert (pending(alice_client), is_nothing_noted()) == (None, True)
        assert [found["status"] for found in store.find("subscription_schedule")] == ["released", "released"]
        assert store.get("subscription", waiting)["schedule"] is None
