"""Paid periods that begin elsewhere than a month of the plan: each payment's credits come with it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway, services, stripe_data
from billing.models import PaidInvoice, Subscription
from billing.sandbox import store
from billing.sandbox.services import timekeeping
from billing.tests.conftest import Travel, utc
from billing.tests.test_elsewhere import ENTERPRISE, view
from billing.tests.test_plan_changes import change
from billing.tests.test_refunds import refund_at_stripe
from billing.tests.test_subscriptions import allowances, tier
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock
from smartspec.testing import SetClock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
WORK = timedelta(hours=2)  # a renewal is a draft for an hour


def is_in_order() -> bool:
    return services.reconcile(now=clock.now()).remaining == 0


class TestFreeDaysThatStaffAddToARunningPlan:
    def test_begin_the_months_anew_when_they_are_over(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str], travel: Travel
    ) -> None:
        subscription_id = subscribe(alice_client)
        end = Subscription.objects.get().current_period_end
        travel(end - timedelta(days=19))
        free_until = end + timedelta(days=10)
        gateway.client().v1.subscriptions.update(subscription_id, {"trial_end": store.timestamp(free_until)})
        travel(end + WORK)
        assert allowances(alice) == [500]
        travel(free_until + WORK)
        assert allowances(alice) == [500, 500]
        row = Subscription.objects.get()
        assert (row.anchor_at, row.current_period_start) == (free_until, free_until)
        assert datetime.fromisoformat(view(alice_client)["next_allowance_at"]) == row.current_period_end
        assert is_in_order()
        travel(row.current_period_end + WORK)
        assert allowances(alice) == [500, 500, 500]

    def test_that_end_within_what_is_paid_leave_the_months_as_they_are(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str], travel: Travel
    ) -> None:
        subscription_id = subscribe(alice_client)
        before = Subscription.objects.get()
        free_until = before.current_period_end - timedelta(days=5)
        gateway.client().v1.subscriptions.update(subscription_id, {"trial_end": store.timestamp(free_until)})
        travel(free_until + WORK)
        assert PaidInvoice.objects.count() == 2
        travel(before.current_period_end + WORK)
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        assert (Subscription.objects.get().anchor_at, allowances(alice)) == (before.anchor_at, [500, 500])


class TestAFirstPeriodThatStaffCutShort:
    @pytest.fixture
    def subscribe_until(self, alice: Any, run_jobs: RunJobs) -> Callable[..., Subscription]:
        """Return a function that puts Alice on Enterprise in the dashboard, with a billing cycle that begins later."""

        def subscribe(days: int, price: str = ENTERPRISE, **values: Any) -> Subscription:
            metadata = {"user_id": str(alice.pk)}
            customer = gateway.create_customer(
                values={"email": alice.email, "metadata": metadata}, idempotency_key="short"
            )
            api = gateway.client().v1
            method = api.payment_methods.attach("pm_card_visa", {"customer": customer["id"]})
            params: Any = {
                "customer": customer["id"],
                "items": [{"price": price}],
                "default_payment_method": method.id,
                "billing_cycle_anchor": store.timestamp(clock.now() + timedelta(days=days)),
            }
            api.subscriptions.create(params | values)
            run_jobs()
            return Subscription.objects.get()

        return subscribe

    def test_gives_its_share_and_each_month_with_its_payment(
        self, alice: Any, alice_client: APIClient, subscribe_until: Callable[..., Subscription], travel: Travel
    ) -> None:
        row = subscribe_until(20)
        first = PaidInvoice.objects.get()
        whole = 199_00
        assert (tier(alice), first.period_end, row.paid_until) == (
            "enterprise",
            row.current_period_end,
            first.period_end,
        )
        share = Decimal(first.paid_cents) / whole
        assert share == pytest.approx(Decimal(20) / 30, abs=Decimal("0.03"))
        (given,) = allowances(alice)
        assert given == pytest.approx(5000 * share, abs=1)
        for number in (1, 2):
            travel(Subscription.objects.get().current_period_end + WORK)
            assert allowances(alice) == [given, *[5000] * number]
            assert is_in_order()

    def test_inside_a_year_gives_the_months_until_then(
        self, alice: Any, subscribe_until: Callable[..., Subscription], travel: Travel
    ) -> None:
        row = subscribe_until(50, "price_smartspec_enterprise_yearly")
        (given,) = allowances(alice)
        travel(clock.now() + timedelta(days=22))
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        assert allowances(alice) == [given, 5000]
        travel(row.current_period_end + WORK)
        assert allowances(alice) == [given, 5000, 5000]

    @pytest.mark.parametrize(
        ("price", "end", "months"),
        [
            (ENTERPRISE, utc(2027, 3, 31, 12), 0),
            (ENTERPRISE, utc(2027, 3, 29, 12), 0),
            ("price_smartspec_enterprise_yearly", utc(2027, 5, 31, 12), 2),
            ("price_smartspec_enterprise_yearly", utc(2028, 2, 29, 12), 11),
        ],
    )
    def test_until_a_day_that_not_every_month_has_gives_no_month_before_it_is_paid(
        self,
        alice: Any,
        subscribe_until: Callable[..., Subscription],
        travel: Travel,
        set_clock: SetClock,
        price: str,
        end: datetime,
        months: int,
    ) -> None:
        begin = utc(2027, 3, 5, 12)
        set_clock(begin)
        subscribe_until((end - begin).days, price)
        (share,) = allowances(alice)
        travel(end - timedelta(hours=1))
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        assert allowances(alice) == [share, *[5000] * months]
        travel(end + WORK)
        assert allowances(alice) == [share, *[5000] * (months + 1)]
        assert is_in_order()

    def test_goes_back_whole_when_it_is_refunded(
        self, alice: Any, subscribe_until: Callable[..., Subscription], run_jobs: RunJobs
    ) -> None:
        subscribe_until(20)
        (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(PaidInvoice.objects.get().pk))
        refund_at_stripe(intent)
        run_jobs()
        lot = Grant.objects.get(source__startswith="upgrade:")
        assert (lot.clawed_back, lot.remaining) == (lot.credits, 0)
        assert is_in_order()

    def test_is_upgraded_as_any_month_is(
        self, alice: Any, alice_client: APIClient, subscribe_until: Callable[..., Subscription], travel: Travel
    ) -> None:
        row = subscribe_until(20, "price_smartspec_pro_monthly")
        (given,) = allowances(alice)
        travel(row.current_period_start + timedelta(days=10))
        answer = change(alice_client, row.pk, "enterprise").json()
        month = credits_selectors.month_at(anchor_at=row.current_period_end, at=row.current_period_start)
        left = Decimal(10) / (month.end_at - month.start_at).days
        assert answer["credits_granted"] == pytest.approx(float(4500 * left), abs=2)
        assert allowances(alice) == [given, Decimal(answer["credits_granted"])]

    def test_that_costs_nothing_gives_nothing(
        self, alice: Any, subscribe_until: Callable[..., Subscription], travel: Travel
    ) -> None:
        row = subscribe_until(20, proration_behavior="none")
        assert allowances(alice) == []
        travel(row.current_period_end + WORK)
        assert allowances(alice) == [5000]
        assert Subscription.objects.get().anchor_at == row.current_period_end


class TestALaterPeriodThatIsCutShort:
    """Stripe takes its one line for a proration, as that of a first one; our sandbox bills it whole."""

    def cut_short(self, invoice: dict[str, Any], end: datetime) -> None:
        """Bill the period of an invoice until an earlier end, as a proration."""
        (line,) = invoice["lines"]["data"]
        begin, whole_end = line["period"]["start"], line["period"]["end"]
        line["amount"] = line["amount"] * (store.timestamp(end) - begin) // (whole_end - begin)
        line["period"]["end"] = store.timestamp(end)
        line["parent"]["subscription_item_details"]["proration"] = True
        store.save(invoice | {"amount_paid": line["amount"]})

    def test_by_the_end_of_the_plan_gives_its_share(
        self,
        alice: Any,
        subscribe: Callable[..., str],
        alice_client: APIClient,
        set_clock: SetClock,
        run_jobs: RunJobs,
        travel: Travel,
    ) -> None:
        subscription_id = subscribe(alice_client)
        begin = Subscription.objects.get().current_period_end
        end = begin + timedelta(days=12)
        gateway.update_subscription(subscription_id, {"cancel_at": store.timestamp(end)})
        set_clock(begin + WORK)
        timekeeping.pass_time(now=begin + WORK)
        self.cut_short(store.get("invoice", store.get("subscription", subscription_id)["latest_invoice"]), end)
        run_jobs()
        last = PaidInvoice.objects.order_by("-period_start")[0]
        assert (last.period_start, last.period_end) == (begin, end)
        first, *rest = allowances(alice)
        assert (first, sum(rest)) == (500, pytest.approx(500 * last.paid_cents / Decimal(2900), abs=2))
        assert is_in_order()
        travel(end + WORK)
        assert (tier(alice), is_in_order()) == ("free", True)
        assert sum(allowances(alice)) == first + sum(rest)

    def test_by_a_billing_cycle_that_begins_after_a_trial_gives_its_share(
        self, alice: Any, set_clock: SetClock, run_jobs: RunJobs, travel: Travel
    ) -> None:
        begin, end = utc(2027, 3, 5, 12), utc(2027, 3, 31, 12)
        set_clock(begin)
        customer = gateway.create_customer(
            values={"email": alice.email, "metadata": {"user_id": str(alice.pk)}}, idempotency_key="short"
        )
        api = gateway.client().v1
        method = api.payment_methods.attach("pm_card_visa", {"customer": customer["id"]})
        values: Any = {
            "customer": customer["id"],
            "items": [{"price": ENTERPRISE}],
            "default_payment_method": method.id,
        }
        api.subscriptions.create(values | {"billing_cycle_anchor": store.timestamp(end)})
        (invoice,) = store.find("invoice")
        store.save(invoice | {"billing_reason": "subscription_cycle"})
        run_jobs()
        (share,) = allowances(alice)
        assert share == pytest.approx(5000 * PaidInvoice.objects.get().paid_cents / Decimal(199_00), abs=1)
        assert is_in_order()
        travel(end + WORK)
        assert allowances(alice) == [share, 5000]
