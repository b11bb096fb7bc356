"""Upgrades of a plan that a coupon made free: Stripe gives nothing back for it, and the new plan is paid in full."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway, services, stripe_data
from billing.models import PaidInvoice
from billing.sandbox.services import checkout
from billing.tests.conftest import Travel, open_plan, pay
from billing.tests.test_elsewhere import ENTERPRISE, PRO, update_at_stripe
from billing.tests.test_plan_changes import change
from billing.tests.test_refunds import refund_at_stripe
from billing.tests.test_subscriptions import allowances
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
SubscribeFree = Callable[..., str]


@pytest.fixture
def subscribe_free(alice_client: APIClient, run_jobs: RunJobs) -> SubscribeFree:
    """Return a function that subscribes Alice by a code for the whole price and returns the subscription's id."""

    def subscribe(plan: str = "pro", interval: str = "monthly", duration: Any = "once") -> str:
        api = gateway.client().v1
        coupon = api.coupons.create({"percent_off": 100, "duration": duration})
        api.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "GIFT"})
        session_id = open_plan(alice_client, plan, interval)
        checkout.apply_promotion_code(session_id, "GIFT", now=clock.now())
        assert pay(session_id).status == "complete"
        run_jobs()
        assert PaidInvoice.objects.get().paid_cents == 0
        return str(alice_client.get("/api/payment/subscription").json()["id"])

    return subscribe


@pytest.mark.parametrize("duration", ["once", "forever"])
@pytest.mark.parametrize("interval", ["monthly", "yearly"])
def test_give_what_the_preview_says(
    alice: Any, alice_client: APIClient, subscribe_free: SubscribeFree, travel: Travel, interval: str, duration: str
) -> None:
    subscription_id = subscribe_free(duration=duration)
    travel(clock.now() + timedelta(days=10))
    wanted = {"new_interval": interval}
    told = change(alice_client, subscription_id, "enterprise", preview=True, **wanted).json()
    done = change(alice_client, subscription_id, "enterprise", **wanted).json()
    assert 2_900 <= told["credits_granted"] <= 3_100
    assert (done["amount_due"], done["credits_granted"]) == (told["amount_due"], told["credits_granted"])
    assert allowances(alice) == [500, Decimal(told["credits_granted"])]


@pytest.mark.parametrize("duration", ["once", "forever"])
def test_made_by_staff_are_told_from_downgrades(
    alice: Any, subscribe_free: SubscribeFree, run_jobs: RunJobs, travel: Travel, duration: str
) -> None:
    subscription_id = subscribe_free("enterprise", duration=duration)
    for price in (PRO, ENTERPRISE):
        travel(clock.now() + timedelta(minutes=1))
        update_at_stripe(subscription_id, price, proration_behavior="always_invoice")
        run_jobs()
    assert allowances(alice) == [5000]
    up = PaidInvoice.objects.latest("paid_at")
    assert (up.upgraded_from, up.upgraded_to, up.upgrade_credits) == ("pro", "enterprise", 0)
    assert not PaidInvoice.objects.exclude(pk=up.pk).exclude(upgraded_to="").exists()


def test_that_are_refunded_take_what_they_gave_and_leave_what_was_free(
    alice: Any, alice_client: APIClient, subscribe_free: SubscribeFree, run_jobs: RunJobs, travel: Travel
) -> None:
    subscription_id = subscribe_free("pro", "yearly")
    change(alice_client, subscription_id, "enterprise", new_interval="yearly")
    run_jobs()
    raised = PaidInvoice.objects.get(billing_reason="subscription_update")
    assert (raised.upgraded_from, raised.upgraded_to) == ("pro", "enterprise")
    (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(raised.pk))
    refund_at_stripe(intent)
    run_jobs()
    for _ in range(2):
        travel(clock.now() + timedelta(days=31))
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        services.settle_later_allowances(now=clock.now())
    months = Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:sub_")
    assert [lot.credits - lot.clawed_back for lot in months.order_by("source")] == [500, 500, 500]
    assert Grant.objects.get(source=f"upgrade:{raised.pk}").clawed_back == raised.upgrade_credits > 4_400
    assert services.reconcile(now=clock.now()).remaining == 0
