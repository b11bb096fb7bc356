"""Periods that are paid after later ones, by a bank that takes its time: each gives its own months, once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services, stripe_data
from billing.models import PaidInvoice, Subscription
from billing.sandbox import store
from billing.sandbox.services import debits
from billing.tests.conftest import Travel
from billing.tests.test_debits_under_way import DEBIT, differences, end_now
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_refunds import refund_at_stripe
from billing.tests.test_subscriptions import allowances
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
WORK = timedelta(hours=2)  # a renewal is a draft for an hour


@pytest.fixture
def bank_pays(run_jobs: RunJobs) -> Callable[[int], None]:
    """Return a function that lets the bank pay one of the debits that are open, counted from the oldest."""

    def answer(number: int) -> None:
        debit = debits.list_open_debits()[::-1][number]
        debits.settle_debit(debit["id"], outcome="succeed", now=clock.now())
        run_jobs()

    return answer


@pytest.fixture
def subscription_id(alice_client: APIClient, subscribe: Callable[..., str]) -> str:
    return subscribe(alice_client)


@pytest.fixture
def next_period(travel: Travel) -> Callable[[], None]:
    """Return a function that lets the next period begin, and its renewal be tried."""
    return lambda: travel(Subscription.objects.get().current_period_end + WORK)


def assert_all_is_given_once(user: Any, months: int) -> None:
    credits_services.give_allowances(account_id=user.pk, now=clock.now())
    assert allowances(user) == [500] * months
    assert differences() == []


class TestTwoMonthsThatWaitForTheBankWhileALaterOneIsPaid:
    @pytest.fixture(autouse=True)
    def paid_later(self, subscription_id: str, next_period: Callable[[], None]) -> None:
        use_card(subscription_id, DEBIT)
        next_period()
        next_period()
        use_card(subscription_id, "pm_card_visa")
        next_period()

    @pytest.mark.parametrize("order", [(0, 0), (1, 0)], ids=["the earlier first", "the later first"])
    def test_are_given_when_they_are_paid(
        self, alice: Any, bank_pays: Callable[[int], None], next_period: Callable[[], None], order: tuple[int, int]
    ) -> None:
        assert allowances(alice) == [500, 500]
        for months, number in enumerate(order, start=3):
            bank_pays(number)
            assert_all_is_given_once(alice, months)
        assert list(PaidInvoice.objects.values_list("allowance_credits", flat=True)) == [500] * 4
        next_period()
        assert_all_is_given_once(alice, 5)

    def test_are_given_though_the_plan_has_ended(
        self, alice: Any, alice_client: APIClient, bank_pays: Callable[[int], None]
    ) -> None:
        end_now(alice_client)
        for months in (3, 4):
            bank_pays(0)
            assert_all_is_given_once(alice, months)

    def test_go_back_with_what_they_gave(self, alice: Any, bank_pays: Callable[[int], None], run_jobs: RunJobs) -> None:
        bank_pays(0)
        late = PaidInvoice.objects.order_by("period_start")[1]
        (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(late.pk))
        refund_at_stripe(intent)
        run_jobs()
        lots = Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:sub_").order_by("number")
        assert [lot.clawed_back for lot in lots] == [0, 0, 500]

    @pytest.fixture
    def noted_without_credits(self, paid_later: None, subscription_id: str) -> None:
        """The bank pays the earlier one, and what we note of it gives nothing."""
        debit = debits.list_open_debits()[-1]
        debits.settle_debit(debit["id"], outcome="succeed", now=clock.now())
        ProcrastinateJob.objects.all().delete()
        (late,) = [
            invoice
            for invoice in gateway.list_all_invoices({"subscription": subscription_id, "status": "paid"})
            if not PaidInvoice.objects.filter(pk=invoice["id"]).exists()
        ]
        begin, end = stripe_data.invoice_paid_period(late) or (None, None)
        PaidInvoice.objects.create(
            pk=late["id"],
            subscription_id=subscription_id,
            billing_reason=late["billing_reason"],
            paid_cents=late["amount_paid"],
            currency=late["currency"],
            period_start=begin,
            period_end=end,
            paid_at=clock.now(),
        )

    @pytest.mark.usefixtures("noted_without_credits")
    def test_are_named_and_given_by_the_daily_comparison_where_they_were_noted_and_gave_nothing(
        self, alice: Any
    ) -> None:
        assert differences() == ["paid_not_granted"]
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert_all_is_given_once(alice, 3)

    @pytest.mark.usefixtures("noted_without_credits")
    def test_are_given_by_the_plan_that_they_paid_for_whatever_the_plan_is_by_then(
        self, alice: Any, alice_client: APIClient, subscription_id: str
    ) -> None:
        assert change(alice_client, subscription_id, "enterprise").json()["status"] == "done"
        services.reconcile(now=clock.now(), is_repair=True)
        given = Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:sub_")
        assert [lot.credits for lot in given.order_by("number")] == [500, 500, 500]


class TestAMonthThatWaitsForTheBankWhileFreeDaysMoveTheMonths:
    @pytest.mark.parametrize("pause", [timedelta(0), timedelta(days=10)], ids=["before it", "after it"])
    def test_is_given_when_it_is_paid(
        self,
        alice: Any,
        subscription_id: str,
        next_period: Callable[[], None],
        travel: Travel,
        bank_pays: Callable[[int], None],
        pause: timedelta,
    ) -> None:
        def give_free_days() -> None:
            free_until = Subscription.objects.get().current_period_end + timedelta(days=10)
            gateway.client().v1.subscriptions.update(subscription_id, {"trial_end": store.timestamp(free_until)})
            travel(free_until + WORK)

        use_card(subscription_id, DEBIT)
        if pause:
            next_period()
            use_card(subscription_id, "pm_card_visa")
            give_free_days()
        else:
            give_free_days()
            use_card(subscription_id, "pm_card_visa")
            next_period()
        assert allowances(alice) == [500, 500]
        bank_pays(0)
        assert_all_is_given_once(alice, 3)
        next_period()
        assert_all_is_given_once(alice, 4)
