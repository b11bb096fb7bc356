"""Receipts and bad news: each told once, whatever is delivered twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils.formats import date_format
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import services
from billing.models import Dispute, Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.services import disputes, timekeeping
from billing.tests.conftest import Travel, open_credits, pay
from billing.tests.test_plan_changes import change
from billing.tests.test_refunds import deliver, money_events, refund_by_staff
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import SetClock

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
        self,
        alice_client: APIClient,
        subscribe: Callable[..., str],
        run_jobs: Callable[[], int],
        told: Callable[..., list[str]],
    ) -> None:
        again = lambda: deliver(store.find("event"), run_jobs)  # noqa: E731
        assert told(lambda: subscribe(alice_client), again, again) == ["Receipt: your Pro plan"]

    def test_of_a_renewal_that_only_an_upgrade_told_of_names_the_plan_that_it_paid_for(
        self,
        alice_client: APIClient,
        subscribe: Callable[..., str],
        set_clock: SetClock,
        run_jobs: Callable[[], int],
        told: Callable[..., list[str]],
    ) -> None:
        subscription_id = subscribe(alice_client)
        later = Subscription.objects.get().current_period_end + timedelta(days=1)
        set_clock(later)
        timekeeping.pass_time(now=later)
        ProcrastinateJob.objects.all().delete()
        upgrade = lambda: change(alice_client, subscription_id, "enterprise")  # noqa: E731
        assert told(upgrade, run_jobs) == ["Receipt: your Pro plan", "Receipt: your Enterprise plan"]


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
        refund = lambda: refund_by_staff(purchase, 450)  # noqa: E731
        again = lambda: deliver(money_events(), run_jobs)  # noqa: E731
        assert told(refund, run_jobs, again) == ["Your refund of $4.50"]
        assert "The 52.5 credits" in mailoutbox[0].body
        assert told(refund, run_jobs, again) == ["Your refund of $4.50"]  # the other half: another cause

    def test_of_a_dispute_and_of_its_end_come_once_each(
        self, alice_client: APIClient, run_jobs: Callable[[], int], told: Callable[..., list[str]]
    ) -> None:
        pay(open_credits(alice_client, 100))
        run_jobs()
        charge = store.get("payment_intent", Purchase.objects.get().payment_intent_id)["latest_charge"]
        again = lambda: deliver(money_events(), run_jobs)  # noqa: E731
        opened = told(lambda: disputes.open_dispute(charge, now=clock.now()), run_jobs, again)
        assert opened == ["Your bank disputes a payment: your account is frozen"]
        (dispute,) = Dispute.objects.all()
        closed = told(lambda: disputes.close_dispute(dispute.pk, now=clock.now(), outcome="won"), run_jobs, again)
        assert closed == ["The dispute is over: your account is open again"]

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


class TestLowBalance:
    """What is promised is what will come: by the plan as it will be then."""

    @pytest.fixture
    def promised(self, alice: Any, told: Callable[..., list[str]], mailoutbox: list[Any]) -> Callable[[], str]:
        """Return a function that spends all that is there and returns what is promised for the time to come."""

        def run() -> str:
            credits_services.charge(
                account_id=alice.pk,
                operation="image_generation",
                credits=Decimal(100_000),
                partial=True,
                idempotency_key="all",
                now=clock.now(),
            )
            warn = lambda: credits_services.warn_of_low_balances(now=clock.now())  # noqa: E731
            assert told(warn, warn) == ["You have no credits left"]
            (line,) = (line for line in mailoutbox[0].body.splitlines() if line.startswith("Jobs cannot start"))
            return str(line).removeprefix("Jobs cannot start until you have some again.").strip()

        return run

    def test_names_the_next_month_of_a_plan_that_goes_on(
        self, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str]
    ) -> None:
        subscribe(alice_client)
        assert promised() == f"Your next 500 credits come on {self.day(alice_client, 'next_allowance_at')}."

    def test_names_the_months_of_a_cancelled_year_until_it_ends(
        self, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str]
    ) -> None:
        self.cancel(alice_client, subscribe(alice_client, "pro", "yearly"))
        assert promised() == f"Your next 500 credits come on {self.day(alice_client, 'next_allowance_at')}."

    def test_names_frees_credits_when_the_plan_ends(
        self, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str], travel: Travel
    ) -> None:
        self.cancel(alice_client, subscribe(alice_client))
        assert promised() == f"Your next 10 credits come on {self.day(alice_client, 'access_ends_at')}."
        travel(self.moment(alice_client, "access_ends_at") + timedelta(hours=1))
        credits_services.give_due_allowances(now=clock.now())  # as every hour
        assert alice_client.get("/api/credits/balance").json()["available_credits"] == 10

    def test_promises_nothing_to_an_unconfirmed_address_without_a_plan(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str]
    ) -> None:
        alice.emailaddress_set.update(verified=False)
        self.cancel(alice_client, subscribe(alice_client))
        assert promised() == ""

    def test_names_the_credits_of_the_plan_that_begins_then(
        self, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str]
    ) -> None:
        body = {"subscription_id": subscribe(alice_client, "enterprise"), "new_plan": "pro"}
        assert alice_client.post("/api/payment/subscription/change-plan", body).json()["status"] == "scheduled"
        assert promised() == f"Your next 500 credits come on {self.day(alice_client, 'current_period_end')}."

    def test_promises_nothing_while_a_renewal_is_not_paid(
        self, alice_client: APIClient, subscribe: Callable[..., str], promised: Callable[[], str]
    ) -> None:
        Subscription.objects.filter(pk=subscribe(alice_client)).update(status="past_due")
        assert promised() == ""

    @pytest.mark.parametrize("is_verified", [True, False])
    def test_promises_frees_credits_to_confirmed_addresses_alone(
        self, is_verified: bool, alice: Any, alice_client: APIClient, promised: Callable[[], str]
    ) -> None:
        alice.emailaddress_set.update(verified=is_verified)
        credits_services.grant(account_id=alice.pk, kind="bonus", credits=Decimal(1), source="gift", now=clock.now())
        comes = f"Your next 10 credits come on {self.day(alice_client, 'next_allowance_at')}."
        assert promised() == (comes if is_verified else "")

    def cancel(self, client: APIClient, subscription_id: str) -> None:
        assert client.post("/api/payment/subscription/cancel", {"subscription_id": subscription_id}).status_code == 200

    def moment(self, client: APIClient, name: str) -> datetime:
        return datetime.fromisoformat(client.get("/api/payment/subscription").json()[name])

    def day(self, client: APIClient, name: str) -> str:
        return date_format(self.moment(client, name))
