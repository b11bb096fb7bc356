"""A renewal whose payment fails: told once, no new credits, repaired or ended."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import PaidInvoice, Subscription
from billing.sandbox import store
from billing.sandbox.services import timekeeping
from billing.tests.conftest import Travel
from billing.tests.test_debits_under_way import differences
from billing.tests.test_refunds import refund_at_stripe
from billing.tests.test_subscriptions import allowances, tier
from billing.tests.test_webhooks import post
from credits import selectors as credits_selectors
from smartspec import clock

pytestmark = pytest.mark.django_db


def use_card(card: str) -> None:
    """Let the one subscription be paid by another card."""
    subscription = Subscription.objects.get()
    api = gateway.client().v1
    method = api.payment_methods.attach(card, {"customer": subscription.customer_id})
    api.customers.update(subscription.customer_id, {"invoice_settings": {"default_payment_method": method.id}})
    api.subscriptions.update(subscription.pk, {"default_payment_method": method.id})


def latest_invoice() -> dict[str, Any]:
    return store.get("invoice", store.get("subscription", Subscription.objects.get().pk)["latest_invoice"])


def complaints(mailoutbox: list[Any]) -> list[str]:
    """Return what was told of failed renewals; receipts aside."""
    return [message.subject for message in mailoutbox if "did not go through" in message.subject]


@pytest.fixture
def failed(alice_client: APIClient, subscribe: Callable[..., str], travel: Travel, mailoutbox: list[Any]) -> datetime:
    """A monthly subscription whose first renewal was refused; the moment at which the renewal was due."""
    subscribe(alice_client)
    mailoutbox.clear()
    end = Subscription.objects.get().current_period_end
    use_card("pm_card_chargeCustomerFail")
    travel(end + timedelta(hours=1))
    return end


class TestFailedRenewal:
    def test_is_past_due_without_new_credits(self, alice: Any, alice_client: APIClient, failed: datetime) -> None:
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["status"], view["plan"]) == ("past_due", "pro")
        assert datetime.fromisoformat(view["access_ends_at"]) == failed + timedelta(days=21, hours=1)
        assert allowances(alice) == [500]
        balance = credits_selectors.get_balance(account_id=alice.pk, now=clock.now())
        assert balance.available == 0  # the old month's lot has ended, and a subscriber has no Free allowance

    def test_announces_no_allowance_that_nobody_has_paid(
        self, alice: Any, alice_client: APIClient, failed: datetime
    ) -> None:
        subscription = alice_client.get("/api/payment/subscription").json()
        assert (subscription["status"], subscription["next_allowance_at"]) == ("past_due", None)
        browser = Client()
        browser.force_login(alice)
        page = browser.get("/account").content.decode()
        assert "No new monthly credits until your plan is paid." in page
        assert "new period" not in page
        assert "Next credits" not in page

    def test_is_told_once_with_the_link_that_repairs_it(
        self,
        alice_client: APIClient,
        failed: datetime,
        travel: Travel,
        mailoutbox: list[Any],
    ) -> None:
        travel(failed + timedelta(days=9))  # two more attempts have failed
        for event in list(store.find("event")):
            if event["type"] == "invoice.payment_failed":
                post(json.dumps(event).encode())
        travel(clock.now() + timedelta(seconds=1))
        (message,) = mailoutbox
        assert message.to == ["alice@smartspec.test"]
        assert latest_invoice()["hosted_invoice_url"] in message.body
        assert "We could not collect $29 for" in message.body
        assert "Pro" in message.subject

    def test_that_recovers_gives_the_month_once(
        self, alice: Any, alice_client: APIClient, failed: datetime, travel: Travel, mailoutbox: list[Any]
    ) -> None:
        use_card("pm_card_visa")
        travel(failed + timedelta(days=4))
        assert allowances(alice) == [500, 500]
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["status"], view["access_ends_at"]) == ("active", None)
        services.record_invoice(invoice_id=latest_invoice()["id"], now=clock.now())
        assert allowances(alice) == [500, 500]
        assert len(complaints(mailoutbox)) == 1

    def test_that_never_recovers_ends_the_plan(
        self, alice: Any, alice_client: APIClient, failed: datetime, travel: Travel, mailoutbox: list[Any]
    ) -> None:
        travel(failed + timedelta(days=22))
        assert (tier(alice), allowances(alice)) == ("free", [500])
        services.record_invoice(invoice_id=latest_invoice()["id"], now=clock.now())
        assert len(complaints(mailoutbox)) == 1

    def test_that_never_recovers_can_no_longer_be_paid_by_the_mails_link(
        self, alice: Any, alice_client: APIClient, failed: datetime, travel: Travel
    ) -> None:
        travel(failed + timedelta(days=22))
        assert latest_invoice()["status"] == "void"

    def test_is_void_after_a_cancellation_whose_news_were_cut_short(
        self, alice: Any, alice_client: APIClient, failed: datetime, run_jobs: Callable[[], int]
    ) -> None:
        subscription = Subscription.objects.get()
        gateway.cancel_subscription(subscription.pk)
        Subscription.objects.update(status="canceled", ended_at=clock.now())  # noted, and then the process died
        run_jobs()
        assert latest_invoice()["status"] == "void"

    def test_is_void_after_a_cancellation_whose_news_were_lost(
        self, alice_client: APIClient, failed: datetime, settings: Any
    ) -> None:
        working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoVoiding"
        body = {"subscription_id": Subscription.objects.get().pk, "at_period_end": False}
        assert alice_client.post("/api/payment/subscription/cancel", body).status_code == 502
        settings.STRIPE_HTTP_CLIENT = working
        ProcrastinateJob.objects.all().delete()
        assert differences() == ["payable_not_owed"]
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert (latest_invoice()["status"], differences()) == ("void", [])

    def test_leaves_what_staff_ask_for_to_be_paid(
        self, alice: Any, alice_client: APIClient, failed: datetime, travel: Travel
    ) -> None:
        invoice = latest_invoice()
        store.save(invoice | {"billing_reason": "manual"})
        travel(failed + timedelta(days=22))
        assert (latest_invoice()["status"], differences()) == ("open", [])

    def test_that_is_paid_after_the_end_all_the_same_gives_a_month_from_then(
        self, alice: Any, alice_client: APIClient, failed: datetime, run_jobs: Callable[[], int], set_clock: Any
    ) -> None:
        use_card("pm_card_visa")
        subscription_id, invoice_id = Subscription.objects.get().pk, latest_invoice()["id"]
        gateway.cancel_subscription(subscription_id)
        set_clock(clock.now() + timedelta(days=9))
        gateway.client().v1.invoices.pay(invoice_id)  # before we have heard of the end
        run_jobs()
        assert (tier(alice), allowances(alice)) == ("free", [500, 500])
        balance = credits_selectors.get_balance(account_id=alice.pk, now=clock.now() + timedelta(days=27))
        assert balance.available >= 500

    def test_whose_news_come_after_the_recovery_is_no_mail(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Callable[..., str],
        travel: Travel,
        mailoutbox: list[Any],
    ) -> None:
        subscribe(alice_client)
        mailoutbox.clear()
        end = Subscription.objects.get().current_period_end
        use_card("pm_card_chargeCustomerFail")
        timekeeping.pass_time(now=end + timedelta(hours=1))
        use_card("pm_card_visa")
        travel(end + timedelta(days=4))
        assert (allowances(alice), complaints(mailoutbox)) == ([500, 500], [])


class TestGapInPayments:
    def test_is_given_nothing_for_the_months_that_were_not_paid(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str], travel: Travel
    ) -> None:
        from billing import stripe_data

        subscribe(alice_client, "pro", "yearly")
        first = PaidInvoice.objects.get()
        (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(first.pk))
        refund_at_stripe(intent)  # the whole first year goes back; the subscription goes on
        assert first.period_end is not None
        travel(clock.now() + timedelta(minutes=1))
        travel(first.period_end + timedelta(hours=2))
        assert PaidInvoice.objects.count() == 2
        assert allowances(alice) == [
            Decimal(500),
            Decimal(500),
        ]  # the first month, taken back, and the second year's first
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == 500
