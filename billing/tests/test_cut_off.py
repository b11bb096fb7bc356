"""Stripe that cannot be reached in the middle of a change, and processes that die there: what was to give way to the
change is there again."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import stripe
from rest_framework.test import APIClient

from billing import gateway, services, tasks
from billing.models import Customer, PlanChange, Subscription
from billing.sandbox import store
from billing.tests.conftest import Travel
from billing.tests.outage import Killed, cut_off
from billing.tests.test_cancel_once import cancel
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_subscriptions import allowances
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
RunJobs = Callable[[], int]
URL = "/api/payment/subscription"

SUBSCRIPTION = r"POST .*/subscriptions/\w+"
MAKE_SCHEDULE, FILL_SCHEDULE = r"POST .*/subscription_schedules", r"POST .*/subscription_schedules/\w+"
INVOICE = r"GET .*/invoices/\w+"
LET_GO, END = r"POST .*/subscription_schedules/\w+/release", r"DELETE .*/subscriptions/\w+"

# How a change ends in its middle: one call fails; Stripe stays away; the process dies. Those that differ less are for
# `make test-faults`.
OUTAGE: Any = {"error": stripe.APIConnectionError}
KILLED: Any = {"error": Killed, "is_done": True}
LOST_IN_OUTAGE: Any = OUTAGE | {"is_done": True, "lasts": True}
ENDS: Any = [
    pytest.param(OUTAGE, id="one-call"),
    pytest.param(OUTAGE | {"lasts": True}, id="outage"),
    pytest.param(OUTAGE | {"is_done": True}, id="answer-lost", marks=pytest.mark.faults),
    pytest.param(LOST_IN_OUTAGE, id="answer-lost-in-outage", marks=pytest.mark.faults),
    pytest.param({"error": Killed}, id="killed-before", marks=pytest.mark.faults),
    pytest.param(KILLED, id="killed"),
]


def state(client: APIClient) -> tuple[str, str | None, bool]:
    """Return the plan, the one that it is to become, and whether it ends with its period."""
    view = client.get(URL).json()
    return view["plan"], (view["pending_change"] or {}).get("plan"), view["cancel_at_period_end"]


def end_at(subscription_id: str) -> tuple[Any, bool]:
    found = store.get("subscription", subscription_id)
    return found["cancel_at"], found["cancel_at_period_end"]


def count_upgrades() -> int:
    return len([found for found in store.find("invoice") if found["billing_reason"] == "subscription_update"])


def ask(client: APIClient, path: str, subscription_id: str, **body: Any) -> Any:
    """Ask for something, and see it fail: by our words, or by a death."""
    with suppress(Killed):
        answer = client.post(f"{URL}/{path}", {"subscription_id": subscription_id, **body})
        assert answer.status_code == 502, answer.content


def put_right(run_jobs: RunJobs) -> None:
    """Let the webhooks come and the books be compared, which ends clean."""
    run_jobs()
    services.reconcile(now=clock.now(), is_repair=True)
    assert services.reconcile(now=clock.now()).remaining == 0


@pytest.mark.parametrize("ends", ENDS)
class TestAChangeToALowerPlan:
    @pytest.mark.parametrize("at", [SUBSCRIPTION, MAKE_SCHEDULE, FILL_SCHEDULE])
    def test_leaves_the_cancellation_that_it_was_to_replace(
        self, at: str, ends: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        assert alice_client.post(f"{URL}/cancel", {"subscription_id": subscription_id}).status_code == 200
        with cut_off(at, **ends):
            ask(alice_client, "change-plan", subscription_id, new_plan="pro")
        put_right(run_jobs)
        is_made = at == FILL_SCHEDULE and ends in (KILLED, LOST_IN_OUTAGE)
        assert state(alice_client) == (("enterprise", "pro", False) if is_made else ("enterprise", None, True))

    def test_leaves_the_day_on_which_it_was_to_end(
        self, ends: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        ends_at = int((clock.now() + timedelta(days=75)).timestamp())
        gateway.update_subscription(subscription_id, {"cancel_at": ends_at})
        with cut_off(MAKE_SCHEDULE, **ends):
            ask(alice_client, "change-plan", subscription_id, new_plan="pro")
        put_right(run_jobs)
        assert end_at(subscription_id) == (ends_at, False)

    def test_leaves_the_earlier_one_that_it_was_to_replace(
        self, ends: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise", "yearly")
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"
        with cut_off(MAKE_SCHEDULE, **ends):
            ask(alice_client, "change-plan", subscription_id, new_plan="enterprise", new_interval="monthly")
        put_right(run_jobs)
        assert state(alice_client) == ("enterprise", "pro", False)


def test_what_gave_way_is_there_again_within_the_hour(alice_client: APIClient, subscribe: Subscribe) -> None:
    subscription_id = subscribe(alice_client, "enterprise")
    alice_client.post(f"{URL}/cancel", {"subscription_id": subscription_id})
    with cut_off(MAKE_SCHEDULE, **KILLED):
        ask(alice_client, "change-plan", subscription_id, new_plan="pro")
    assert state(alice_client) == ("enterprise", None, True)  # as we know it
    assert end_at(subscription_id) == (None, False)
    Customer.objects.update(changing_until=clock.now() + timedelta(minutes=2))  # left by a process that is no more
    tasks.put_back_changes(0)
    assert end_at(subscription_id) == (None, False)
    Customer.objects.update(changing_until=None)
    tasks.put_back_changes(0)
    assert end_at(subscription_id)[1] is True


@pytest.mark.parametrize("ends", ENDS)
class TestACancellation:
    @pytest.mark.parametrize("at", [LET_GO, SUBSCRIPTION])
    def test_leaves_the_change_that_was_scheduled_or_is_made(
        self, at: str, ends: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"
        with cut_off(at, **ends):
            ask(alice_client, "cancel", subscription_id)
        put_right(run_jobs)
        is_made = at == SUBSCRIPTION and ends.get("is_done")
        assert state(alice_client) == (("enterprise", None, True) if is_made else ("enterprise", "pro", False))

    def test_at_once_leaves_the_change_that_was_scheduled_or_is_made(
        self, ends: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"
        with cut_off(END, **ends):
            ask(alice_client, "cancel", subscription_id, at_period_end=False)
        put_right(run_jobs)
        assert state(alice_client) == (("free", None, False) if ends.get("is_done") else ("enterprise", "pro", False))


class TestAnUpgradeOfWhatEndsOnADay:
    """The end moves with the period that the upgrade begins, and back when it comes to nothing."""

    @pytest.fixture
    def ends_at(self, alice_client: APIClient, subscribe: Subscribe) -> int:
        subscription_id = subscribe(alice_client)
        ends_at = int((clock.now() + timedelta(days=75)).timestamp())
        gateway.update_subscription(subscription_id, {"cancel_at": ends_at})
        return ends_at

    def test_that_is_never_confirmed(self, alice_client: APIClient, ends_at: int, travel: Travel) -> None:
        subscription_id = Subscription.objects.get().pk
        use_card(subscription_id, "pm_card_authenticationRequired")
        answer = change(alice_client, subscription_id, "pro", new_interval="yearly")
        assert answer.json()["status"] == "requires_action"
        travel(clock.now() + timedelta(hours=25))
        assert end_at(subscription_id) == (ends_at, False)
        assert services.reconcile(now=clock.now()).remaining == 0

    @pytest.mark.parametrize("ends", [OUTAGE | {"is_done": True}, LOST_IN_OUTAGE, KILLED])
    def test_that_is_cut_off(self, ends: Any, alice_client: APIClient, ends_at: int, run_jobs: RunJobs) -> None:
        subscription_id = Subscription.objects.get().pk
        with cut_off(SUBSCRIPTION, **ends):  # the flag is set, and nothing bought
            ask(alice_client, "change-plan", subscription_id, new_plan="pro", new_interval="yearly")
        put_right(run_jobs)
        assert end_at(subscription_id) == (ends_at, False)

    def test_that_is_refused_when_it_is_tried_again(
        self, alice_client: APIClient, ends_at: int, run_jobs: RunJobs
    ) -> None:
        subscription_id = Subscription.objects.get().pk
        with cut_off(SUBSCRIPTION, is_done=True, error=Killed), suppress(Killed):
            change(alice_client, subscription_id, "pro", new_interval="yearly")
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        assert change(alice_client, subscription_id, "pro", new_interval="yearly").json()["code"] == "card_refused"
        put_right(run_jobs)
        assert end_at(subscription_id) == (ends_at, False)

    def test_that_is_refused_owes_nothing_back_for_the_rest_of_the_period(
        self, alice_client: APIClient, ends_at: int
    ) -> None:
        subscription_id = Subscription.objects.get().pk
        earlier = {"cancel_at": int((clock.now() + timedelta(days=10)).timestamp())}
        gateway.update_subscription(subscription_id, {**earlier, "proration_behavior": "none"})
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        assert change(alice_client, subscription_id, "pro", new_interval="yearly").json()["code"] == "card_refused"
        assert end_at(subscription_id) == (earlier["cancel_at"], False)
        assert store.find("invoiceitem") == []

    def test_that_is_paid_stays_with_the_year(self, alice_client: APIClient, ends_at: int, run_jobs: RunJobs) -> None:
        subscription_id = Subscription.objects.get().pk
        assert change(alice_client, subscription_id, "pro", new_interval="yearly").json()["status"] == "done"
        put_right(run_jobs)
        assert end_at(subscription_id) == (int(Subscription.objects.get().current_period_end.timestamp()), True)


class TestTheSameKeyAfterAnAnswerThatWasLost:
    """Stripe has done it, and we could not read that: the same key tells what became of it."""

    def test_ends_at_once(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        with cut_off(END, is_done=True, lasts=True):
            lost = cancel(alice_client, subscription_id, at_period_end=False)
        assert lost.status_code == 502
        again = cancel(alice_client, subscription_id, at_period_end=False)
        assert (again.status_code, again.json()["success"]) == (200, True), again.content
        assert store.get("subscription", subscription_id)["status"] == "canceled"

    def test_ends_with_the_period(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        with cut_off(SUBSCRIPTION, is_done=True, lasts=True):
            assert cancel(alice_client, subscription_id, at_period_end=True).status_code == 502
        assert cancel(alice_client, subscription_id, at_period_end=True).json()["cancel_at_period_end"] is True

    @pytest.mark.parametrize("at", [SUBSCRIPTION, INVOICE])
    @pytest.mark.parametrize("is_heard_of", [True, False])
    def test_upgrades(
        self, at: str, is_heard_of: bool, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        with cut_off(at, is_done=True, lasts=True):
            assert change(alice_client, subscription_id, "enterprise", key="k").status_code == 502
        if is_heard_of:
            run_jobs()
        again = change(alice_client, subscription_id, "enterprise", key="k").json()
        assert again.get("status") == "done", again
        assert 4_490 <= again["credits_granted"] <= 4_500
        run_jobs()
        assert allowances(alice) == [500, again["credits_granted"]]
        assert count_upgrades() == 1

    @pytest.mark.parametrize("at", [SUBSCRIPTION, INVOICE])
    def test_gives_the_link_by_which_an_upgrade_is_confirmed(
        self, at: str, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_authenticationRequired")
        with cut_off(at, is_done=True, lasts=True):
            assert change(alice_client, subscription_id, "enterprise", key="k").status_code == 502
        again = change(alice_client, subscription_id, "enterprise", key="k").json()
        assert again.get("status") == "requires_action", again
        assert again["action_url"].startswith("http")
        other = change(alice_client, subscription_id, "enterprise", key="another")
        assert (other.status_code, other.json()["code"]) == (409, "change_in_progress")
        assert count_upgrades() == 1

    def test_schedules(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        with cut_off(FILL_SCHEDULE, is_done=True, lasts=True):
            assert change(alice_client, subscription_id, "pro", key="k").status_code == 502
        assert change(alice_client, subscription_id, "pro", key="k").json().get("status") == "scheduled"
        assert state(alice_client) == ("enterprise", "pro", False)

    def test_carries_on_what_stripe_did_not_do(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        with cut_off(SUBSCRIPTION, lasts=True):
            assert change(alice_client, subscription_id, "enterprise", key="k").status_code == 502
        assert change(alice_client, subscription_id, "enterprise", key="k").json()["status"] == "done"
        assert PlanChange.objects.count() == 1
