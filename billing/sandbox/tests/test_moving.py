"""Moving time by hand, playing customers and banks, and webhooks that go wrong on purpose."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from billing.sandbox import store
from billing.sandbox.models import ClockOffset, Delivery
from billing.sandbox.services import acting, customers, faults, moving
from billing.sandbox.tests import test_deliveries
from billing.sandbox.tests.test_subscriptions import subscribe
from billing.services.webhooks import EFFECT_PRIORITY
from smartspec import clock


@pytest.fixture
def movable_clock(settings: Any) -> Iterator[None]:
    settings.CLOCK_OFFSET = "billing.sandbox.services.moving.read_offset"
    clock.forget_offset()
    yield
    clock.forget_offset()


def sandbox(*arguments: str) -> str:
    output = StringIO()
    call_command("sandbox", *arguments, stdout=output)
    return output.getvalue().strip()


@pytest.mark.usefixtures("movable_clock", "sandbox")
class TestAdvance:
    """https://docs.stripe.com/billing/testing/test-clocks/simulate-subscriptions"""

    def test_moves_the_clock_of_every_process(self) -> None:
        before = clock.now()
        moving.advance(by=timedelta(days=31), after_step=lambda moment: None)
        clock.forget_offset()
        assert timedelta(days=31) <= clock.now() - before < timedelta(days=31, minutes=1)
        assert ClockOffset.objects.get().seconds == 31 * 86400

    def test_asks_the_database_at_most_once_a_second(self, django_assert_num_queries: Any) -> None:
        clock.now()
        with django_assert_num_queries(0):
            clock.now()

    def test_plays_everything_at_its_moment(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        steps: list[datetime] = []
        assert moving.advance(by=timedelta(days=32), after_step=steps.append) == 3  # told of the invoice, drafted, paid
        renewed = store.get("subscription", subscription.id)
        assert store.get("invoice", renewed["latest_invoice"])["status"] == "paid"
        assert steps == sorted(steps)
        assert store.moment(subscription["items"]["data"][0].current_period_end) in steps

    def test_of_one_customer_leaves_the_app_where_it_is(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription, other = subscribe(client_of_stripe), subscribe(client_of_stripe)
        before = clock.now()
        moving.advance_customer(subscription.customer, by=timedelta(days=62), after_step=lambda moment: None)
        assert clock.now() - before < timedelta(minutes=1)
        assert len(store.find("invoice", subscription=subscription.id)) == 3
        assert len(store.find("invoice", subscription=other.id)) == 1
        moved = client_of_stripe.v1.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        assert moved.canceled_at > store.timestamp(before + timedelta(days=61))  # type: ignore[operator]

    def test_backwards_is_refused(self) -> None:
        with pytest.raises(CommandError, match="only be advanced forward"):
            sandbox("advance", "--days", "-1")

    @pytest.mark.parametrize("days", ["999999999", "inf", "nan", "soon"])
    def test_beyond_all_calendars_is_refused(self, days: str) -> None:
        with pytest.raises(CommandError, match="give a number of days"):
            sandbox("advance", "--days", days)


class TestActing:
    """https://docs.stripe.com/testing"""

    def test_a_customer_cannot_pay_and_can_again(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        sandbox("decline", "alice@example.com")
        moving.advance_customer(subscription.customer, by=timedelta(days=32), after_step=lambda moment: None)
        assert store.get("subscription", subscription.id)["status"] == "past_due"
        sandbox("pay", subscription.customer)
        assert store.get("subscription", subscription.id)["status"] == "active"

    def test_a_session_is_declined_and_paid(self, package: Callable[..., stripe.checkout.Session]) -> None:
        session = package(customer_email="bob@example.com")
        assert sandbox("decline", session.id) == f"checkout.session {session.id}: open"
        assert sandbox("pay", session.id) == f"checkout.session {session.id}: complete"
        assert sandbox("refund", session.id, "--amount", "300").endswith(": succeeded")
        assert sandbox("refund", session.id, "--amount", "100", "--fail").endswith(": failed")
        assert sandbox("dispute", session.id).endswith(": needs_response")
        assert sandbox("dispute", session.id, "--step", "win").endswith(": won")

    def test_of_nothing_known_is_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(CommandError, match="No such object"):
            sandbox("pay", "nobody@example.com")
        customer = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(CommandError, match="Nothing was paid"):
            sandbox("refund", customer.id)


@pytest.mark.usefixtures("sandbox")
class TestFaults:
    """https://docs.stripe.com/webhooks#best-practices"""

    @pytest.fixture(autouse=True)
    def transport(self, settings: Any) -> None:
        test_deliveries.RECEIVED.clear()
        test_deliveries.ANSWERS.clear()
        settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.tests.test_deliveries.receive"

    def make(self, count: int = 1) -> None:
        for _ in range(count):
            customers.create_customer({}, now=clock.now())

    def test_duplicate(self, run_jobs: Callable[[], int]) -> None:
        faults.add_fault("duplicate", remaining=1)
        self.make(2)
        run_jobs()
        assert len(test_deliveries.RECEIVED) == 3
        assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}

    def test_drop(self, run_jobs: Callable[[], int]) -> None:
        assert sandbox("webhooks", "drop", "--type", "customer.*", "--count", "2") == "drop the next 2 customer.*"
        self.make(3)
        run_jobs()
        assert len(test_deliveries.RECEIVED) == 1
        assert Delivery.objects.filter(state="dropped").count() == 2
        assert sandbox("webhooks", "list") == "Webhooks go right"

    def test_delay(self, run_jobs: Callable[[], int]) -> None:
        faults.add_fault("delay", seconds=60)
        self.make()
        run_jobs()
        assert test_deliveries.RECEIVED == []
        (job,) = test_deliveries.waiting()
        assert job.scheduled_at is not None

    def test_reorder(self) -> None:
        faults.add_fault("reorder")
        self.make(12)
        priorities = [job.priority for job in test_deliveries.waiting()]
        assert priorities != sorted(priorities, reverse=True)
        assert max(priorities) < EFFECT_PRIORITY  # else no credits were given before everything was sent

    def test_end(self) -> None:
        faults.add_fault("drop")
        assert sandbox("webhooks", "clear") == "1 fault ended"
        assert faults.plan_delivery("invoice.paid") == faults.Plan()


@pytest.mark.django_db
def test_an_unprepared_database_is_told_how_to_be_prepared() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_sandbox_webhookfault RENAME TO not_there")
    with pytest.raises(CommandError, match="make run"), transaction.atomic():
        sandbox("webhooks", "list")


def test_what_was_played_says_so() -> None:
    assert str(acting.Played({"object": "customer", "id": "cus_1"})) == "customer cus_1: done"
