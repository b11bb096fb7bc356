"""Money back for an upgrade inside a paid year, and for the year that was upgraded: each takes what it paid for."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import gateway, services, stripe_data
from billing.models import PaidInvoice, Subscription
from billing.sandbox.services import disputes
from billing.tests.test_refunds import become, refund_at_stripe
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock
from smartspec.testing import SetClock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
Upgraded = tuple[str, str]  # the payments of the year and of its upgrade


def intent_of(invoice_id: str) -> str:
    (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(invoice_id))
    return intent


def upgrade(client: APIClient, subscription_id: str) -> None:
    body = {"subscription_id": subscription_id, "new_plan": "enterprise", "new_interval": "yearly"}
    assert client.post("/api/payment/subscription/change-plan", body).json()["status"] == "done"


@pytest.fixture
def upgraded(alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]) -> Upgraded:
    """Somebody who paid a year of Pro, and the upgrade to a year of Enterprise a moment later."""
    upgrade(alice_client, subscribe(alice_client, "pro", "yearly"))
    run_jobs()
    year = PaidInvoice.objects.get(billing_reason="subscription_create")
    raised = PaidInvoice.objects.get(billing_reason="subscription_update")
    assert (raised.period_start, raised.upgraded_to) == (None, "enterprise")
    return intent_of(year.pk), intent_of(raised.pk)


@pytest.fixture
def next_month(alice: Any, set_clock: SetClock) -> Callable[[], None]:
    """Spend all, so that nothing expires, and let a month pass, with what the hourly tasks do."""

    def pass_month() -> None:
        available = credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available
        if available:
            key = f"spent:{clock.now()}"
            credits_services.adjust(
                account_id=alice.pk, credits=-available, reason="spent", idempotency_key=key, now=clock.now()
            )
        set_clock(clock.now() + timedelta(days=31))
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        services.settle_later_allowances(now=clock.now())

    return pass_month


def kept(user: Any) -> list[Decimal]:
    """What each month has given, less what was taken back."""
    months = Grant.objects.filter(account_id=user.pk, source__startswith="allowance:sub_").order_by("source")
    return [lot.credits - lot.clawed_back for lot in months]


def kept_of_upgrade(user: Any) -> Decimal:
    lot = Grant.objects.get(account_id=user.pk, source__startswith="upgrade:")
    return lot.credits - lot.clawed_back


def test_of_the_upgrade_leaves_what_the_year_paid_for(
    alice: Any, upgraded: Upgraded, run_jobs: Callable[[], int], next_month: Callable[[], None]
) -> None:
    next_month()
    refund_at_stripe(upgraded[1])
    run_jobs()
    next_month()
    assert (kept(alice), kept_of_upgrade(alice)) == ([500, 500, 500], 0)
    assert services.reconcile(now=clock.now()).remaining == 0


def test_of_the_year_leaves_what_the_upgrade_paid_for(
    alice: Any, upgraded: Upgraded, run_jobs: Callable[[], int], next_month: Callable[[], None]
) -> None:
    next_month()
    refund_at_stripe(upgraded[0])
    run_jobs()
    next_month()
    assert kept(alice) == [0, 4500, 4500]
    assert kept_of_upgrade(alice) >= 4490
    assert services.reconcile(now=clock.now()).remaining == 0


def test_of_a_half_of_the_upgrade_takes_half_of_what_it_gave(
    alice: Any, upgraded: Upgraded, run_jobs: Callable[[], int], next_month: Callable[[], None]
) -> None:
    paid_cents = PaidInvoice.objects.get(billing_reason="subscription_update").paid_cents
    refund_at_stripe(upgraded[1], paid_cents // 2)
    run_jobs()
    next_month()
    assert kept(alice)[0] == 500
    assert kept(alice)[1] == pytest.approx(Decimal(2750), abs=Decimal("0.1"))


@pytest.mark.parametrize("months", list(itertools.permutations((0, 1, 2), 2)))
def test_of_both_takes_everything_whichever_comes_first_and_whenever(
    alice: Any,
    upgraded: Upgraded,
    run_jobs: Callable[[], int],
    next_month: Callable[[], None],
    months: tuple[int, int],
) -> None:
    for month in range(4):
        for payment, refunded_in in zip(upgraded, months, strict=True):
            if month == refunded_in:
                refund_at_stripe(payment)
                run_jobs()
        next_month()
    assert sum(kept(alice)) == 0
    assert kept_of_upgrade(alice) == 0
    assert len(kept(alice)) == max(months) + 1  # and pays for no further month


@pytest.mark.parametrize(("first", "kept_then"), [(0, 500), (1, 4500)])
def test_that_fails_gives_the_months_again(
    alice: Any,
    upgraded: Upgraded,
    run_jobs: Callable[[], int],
    next_month: Callable[[], None],
    first: int,
    kept_then: int,
) -> None:
    refunds = [refund_at_stripe(payment) for payment in upgraded]
    run_jobs()
    next_month()
    assert sum(kept(alice)) == 0
    become(refunds[first], "failed")
    run_jobs()
    assert kept(alice)[1:] == [kept_then]
    become(refunds[1 - first], "failed")
    run_jobs()
    assert kept(alice)[1:] == [5000]
    assert credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now()).paid_until is not None


def test_lost_to_a_dispute_is_the_same(
    alice: Any, upgraded: Upgraded, run_jobs: Callable[[], int], next_month: Callable[[], None]
) -> None:
    charge = gateway.retrieve_payment_intent(upgraded[1])["latest_charge"]
    made = disputes.open_dispute(stripe_data.object_id(charge), now=clock.now())
    run_jobs()
    next_month()
    assert kept(alice) == [500, 500]
    disputes.close_dispute(made["id"], now=clock.now(), outcome="won")
    run_jobs()
    assert (kept(alice), kept_of_upgrade(alice) >= 4490) == ([500, 5000], True)


def test_of_a_year_that_is_upgraded_later_leaves_what_the_upgrade_paid_for(
    alice: Any,
    alice_client: APIClient,
    subscribe: Subscribe,
    run_jobs: Callable[[], int],
    next_month: Callable[[], None],
) -> None:
    subscription_id = subscribe(alice_client, "pro", "yearly")
    refund_at_stripe(intent_of(PaidInvoice.objects.get().pk))
    run_jobs()
    next_month()
    assert kept(alice) == [0]
    month = credits_selectors.month_at(anchor_at=Subscription.objects.get().anchor_at, at=clock.now())
    left = (month.end_at - clock.now()) / (month.end_at - month.start_at)
    upgrade(alice_client, subscription_id)
    run_jobs()
    next_month()
    assert kept(alice) == [0, 0, 4500]
    assert kept_of_upgrade(alice) == pytest.approx(Decimal(4500 * left), abs=2)  # seconds apart
    assert services.reconcile(now=clock.now()).remaining == 0
