"""Periods end, renewals are collected, and what cannot be collected is tried again and then given up."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import periods, store
from billing.sandbox.models import StoredObject
from billing.sandbox.services import timekeeping
from billing.sandbox.tests.annotations import find_faults
from billing.sandbox.tests.conftest import emitted_types
from billing.sandbox.tests.test_subscriptions import ENTERPRISE, subscribe
from smartspec import clock


def period_end(subscription_id: str) -> datetime:
    item = store.get("subscription", subscription_id)["items"]["data"][0]
    return store.moment(item["current_period_end"])


def use_card(client: stripe.StripeClient, customer: str, card: str) -> str:
    """Save a card and make it the customer's default."""
    method = client.v1.payment_methods.attach(card, params={"customer": customer})
    client.v1.customers.update(customer, params={"invoice_settings": {"default_payment_method": method.id}})
    return method.id


def latest_invoice(subscription_id: str) -> dict[str, Any]:
    return store.get("invoice", store.get("subscription", subscription_id)["latest_invoice"])


def types_after(number: int) -> list[str]:
    return [row.name for row in StoredObject.objects.filter(kind="event", number__gt=number).order_by("number")]


def newest_number() -> int:
    return StoredObject.objects.order_by("-number").first().number  # type: ignore[union-attr]


def pay_yearly_from_the_period_end(client: stripe.StripeClient, subscription: Any) -> Any:
    """Schedule Pro by the year for when the subscription's period ends, and return the phase until then."""
    schedules = client.v1.subscription_schedules
    schedule = schedules.create(params={"from_subscription": subscription.id})
    current = schedule.phases[0]
    present = {
        "items": [{"price": current["items"][0].price}],
        "start_date": current.start_date,
        "end_date": current.end_date,
    }
    following = {"items": [{"price": "price_smartspec_pro_yearly"}], "duration": {"interval": "year"}}
    schedules.update(schedule.id, params={"end_behavior": "release", "phases": [present, following]})  # type: ignore[arg-type]
    return current


class TestRenewal:
    """https://docs.stripe.com/billing/subscriptions/webhooks"""

    def test_is_a_draft_for_an_hour_and_then_paid(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/invoicing/integration/workflow-transitions"""
        subscription = subscribe(client_of_stripe)
        end = period_end(subscription.id)
        timekeeping.pass_time(now=end - timedelta(days=1))
        before = newest_number()
        timekeeping.pass_time(now=end + timedelta(minutes=59))
        draft = latest_invoice(subscription.id)
        assert (draft["status"], draft["billing_reason"]) == ("draft", "subscription_cycle")
        assert draft["created"] == store.timestamp(end)
        assert draft["automatically_finalizes_at"] == store.timestamp(end) + 3600
        assert types_after(before) == ["invoice.created", "customer.subscription.updated"]
        timekeeping.pass_time(now=end + timedelta(hours=1))
        paid = latest_invoice(subscription.id)
        assert (paid["id"], paid["status"], paid["amount_paid"]) == (draft["id"], "paid", 2900)
        assert types_after(before) == [
            "invoice.created",
            "customer.subscription.updated",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice_payment.paid",
        ]

    def test_begins_the_next_period_by_the_calendar(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/billing-cycle"""
        subscription = subscribe(client_of_stripe)
        anchor = subscription.billing_cycle_anchor
        for month in range(1, 14):
            timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
            item = store.get("subscription", subscription.id)["items"]["data"][0]
            assert item["current_period_start"] == periods.add_interval(anchor, interval="month", count=month)
            assert latest_invoice(subscription.id)["lines"]["data"][0]["period"] == {
                "start": item["current_period_start"],
                "end": item["current_period_end"],
            }
        assert len(store.find("invoice", subscription=subscription.id, status="paid")) == 14

    def test_bills_what_was_left_for_it(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/prorations"""
        subscription = subscribe(client_of_stripe)
        item = subscription["items"]["data"][0].id
        client_of_stripe.v1.subscriptions.update(
            subscription.id,
            params={"items": [{"id": item, "price": ENTERPRISE}], "proration_behavior": "create_prorations"},
        )
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        invoice = latest_invoice(subscription.id)
        # What waited, the newest first, and then the new period.
        assert [line["amount"] for line in invoice["lines"]["data"]] == [19900, -2900, 19900]
        assert store.find("invoiceitem", customer=subscription.customer, invoice="") == []
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert latest_invoice(subscription.id)["total"] == 19900

    def test_follows_a_trial(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/trials"""
        subscription = subscribe(client_of_stripe, trial_period_days=7)
        end = store.moment(subscription.trial_end)
        timekeeping.pass_time(now=end + timedelta(hours=2))
        after = store.get("subscription", subscription.id)
        assert after["status"] == "active"
        assert after["items"]["data"][0]["current_period_start"] == subscription.trial_end
        assert latest_invoice(subscription.id)["amount_paid"] == 2900

    def test_does_not_come_for_what_ends(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/cancel"""
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(days=90))
        assert store.get("subscription", subscription.id)["status"] == "canceled"
        assert store.rows("invoice", subscription=subscription.id).count() == 1


class TestAnnouncements:
    """https://docs.stripe.com/api/events/types"""

    def test_say_what_a_renewal_will_cost_a_week_before(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        end = period_end(subscription.id)
        timekeeping.pass_time(now=end - timedelta(days=7, minutes=1))
        assert "invoice.upcoming" not in emitted_types()
        timekeeping.pass_time(now=end - timedelta(days=1))
        (said,) = store.find("event", name="invoice.upcoming")
        invoice = said["data"]["object"]
        assert said["created"] == store.timestamp(end - timedelta(days=7))
        assert invoice["id"].startswith("upcoming_in_")
        assert (invoice["amount_due"], invoice["next_payment_attempt"]) == (2900, store.timestamp(end) + 3600)
        assert find_faults(invoice) == []

    def test_say_nothing_of_what_ends(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        timekeeping.pass_time(now=period_end(subscription.id))
        assert "invoice.upcoming" not in emitted_types()

    def test_say_that_a_trial_will_end_three_days_before(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/trials"""
        subscription = subscribe(client_of_stripe, trial_period_days=10)
        assert "customer.subscription.trial_will_end" not in emitted_types()
        timekeeping.pass_time(now=store.moment(subscription.trial_end) - timedelta(days=1))
        (said,) = store.find("event", name="customer.subscription.trial_will_end")
        assert said["created"] == subscription.trial_end - 3 * 86400

    def test_say_at_once_that_a_short_trial_will_end(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, trial_period_days=2)
        assert emitted_types().count("customer.subscription.trial_will_end") == 1
        timekeeping.pass_time(now=store.moment(subscription.trial_end) - timedelta(hours=1))
        assert emitted_types().count("customer.subscription.trial_will_end") == 1


class TestSchedules:
    """https://docs.stripe.com/billing/subscriptions/subscription-schedules"""

    def test_change_the_plan_when_their_phase_ends(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, ENTERPRISE)
        current = pay_yearly_from_the_period_end(client_of_stripe, subscription)
        end = store.moment(current.end_date)
        timekeeping.pass_time(now=end + timedelta(hours=2))
        changed = store.get("subscription", subscription.id)
        item = changed["items"]["data"][0]
        assert item["price"]["id"] == "price_smartspec_pro_yearly"
        assert item["id"] == subscription["items"]["data"][0].id
        assert item["current_period_end"] == periods.add_interval(current.end_date, interval="year", count=1)
        assert [line["amount"] for line in latest_invoice(subscription.id)["lines"]["data"]] == [29000]
        timekeeping.pass_time(now=end + timedelta(days=366))
        assert [schedule["status"] for schedule in store.find("subscription_schedule")] == ["released"]
        assert store.get("subscription", subscription.id)["schedule"] is None

    def test_end_the_subscription_where_told_to(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1
        subscription = subscribe(client_of_stripe)
        schedule = api.subscription_schedules.create(params={"from_subscription": subscription.id})
        api.subscription_schedules.update(schedule.id, params={"end_behavior": "cancel"})
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert store.get("subscription", subscription.id)["status"] == "canceled"
        assert store.get("subscription_schedule", schedule.id)["status"] == "completed"


class TestPreview:
    """https://docs.stripe.com/api/invoices/create_preview: the next invoice of one subscription, as it will be."""

    def test_holds_nothing_of_another_subscription(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        api, customer = client_of_stripe.v1, subscription.customer
        other = api.subscriptions.create(params={"customer": customer, "items": [{"price": ENTERPRISE}]})
        api.invoice_items.create(
            params={"customer": customer, "subscription": other.id, "amount": 500, "currency": "usd"}
        )
        api.invoice_items.create(params={"customer": customer, "amount": 100, "currency": "usd"})
        preview = api.invoices.create_preview(params={"subscription": subscription.id})
        assert sorted(line.amount for line in preview.lines.data) == [100, 2900]
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert latest_invoice(subscription.id)["amount_due"] == preview.amount_due == 3000

    def test_follows_the_schedule(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, ENTERPRISE)
        pay_yearly_from_the_period_end(client_of_stripe, subscription)
        end = period_end(subscription.id)
        preview = client_of_stripe.v1.invoices.create_preview(params={"subscription": subscription.id})
        assert preview.amount_due == 29000
        line = preview.lines.data[0].period
        assert (line.start, line.end) == (
            store.timestamp(end),
            periods.add_interval(store.timestamp(end), interval="year", count=1),
        )
        timekeeping.pass_time(now=end - timedelta(days=6))
        said = StoredObject.objects.filter(kind="event", name="invoice.upcoming").get()
        assert said.data["data"]["object"]["amount_due"] == 29000
        timekeeping.pass_time(now=end + timedelta(hours=2))
        assert latest_invoice(subscription.id)["amount_due"] == 29000

    def test_is_of_nothing_where_the_subscription_ends_before(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        end = store.timestamp(period_end(subscription.id))
        client_of_stripe.v1.subscriptions.update(
            subscription.id, params={"cancel_at": end - 86400, "proration_behavior": "none"}
        )
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.invoices.create_preview(params={"subscription": subscription.id})
        assert raised.value.code == "invoice_upcoming_none"


class TestPendingProrations:
    """https://docs.stripe.com/api/subscriptions/cancel"""

    def test_are_collected_when_the_period_ends(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        item = subscription["items"]["data"][0].id
        client_of_stripe.v1.subscriptions.update(
            subscription.id,
            params={"items": [{"id": item, "price": ENTERPRISE}], "proration_behavior": "create_prorations"},
        )
        client_of_stripe.v1.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        preview = client_of_stripe.v1.invoices.create_preview(params={"subscription": subscription.id})
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert store.get("subscription", subscription.id)["status"] == "canceled"
        last = latest_invoice(subscription.id)
        assert (last["status"], last["amount_paid"]) == ("paid", preview.amount_due)
        assert preview.amount_due > 0

    def test_are_dropped_by_a_cancellation_at_once(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        item = subscription["items"]["data"][0].id
        client_of_stripe.v1.subscriptions.update(
            subscription.id,
            params={"items": [{"id": item, "price": ENTERPRISE}], "proration_behavior": "create_prorations"},
        )
        own = client_of_stripe.v1.invoice_items.create(
            params={"customer": subscription.customer, "amount": 100, "currency": "usd"}
        )
        client_of_stripe.v1.subscriptions.cancel(subscription.id)
        pending = client_of_stripe.v1.invoice_items.list(params={"customer": subscription.customer, "pending": True})
        assert [one.id for one in pending.data] == [own.id]


class TestFailure:
    """https://docs.stripe.com/billing/revenue-recovery/smart-retries"""

    @pytest.fixture
    def failed(self, client_of_stripe: stripe.StripeClient) -> Any:
        """A subscription whose first renewal was refused."""
        subscription = subscribe(client_of_stripe)
        use_card(client_of_stripe, subscription.customer, "pm_card_chargeCustomerFail")
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=1))
        return subscription

    def test_makes_it_past_due(self, failed: Any) -> None:
        invoice = latest_invoice(failed.id)
        assert (invoice["status"], invoice["attempt_count"], invoice["attempted"]) == ("open", 1, True)
        assert store.get("subscription", failed.id)["status"] == "past_due"
        assert store.get("customer", failed.customer)["delinquent"]
        tried_at = invoice["created"] + 3600
        assert invoice["next_payment_attempt"] == tried_at + 3 * 86400
        assert emitted_types()[-2:] == ["invoice.payment_failed", "customer.subscription.updated"]

    def test_is_tried_four_times_more_and_then_given_up(self, failed: Any) -> None:
        """https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses"""
        first = store.moment(latest_invoice(failed.id)["created"] + 3600)
        for days, attempts in ((3, 2), (8, 3), (15, 4)):
            timekeeping.pass_time(now=first + timedelta(days=days))
            assert latest_invoice(failed.id)["attempt_count"] == attempts
            assert store.get("subscription", failed.id)["status"] == "past_due"
        timekeeping.pass_time(now=first + timedelta(days=21))
        ended = store.get("subscription", failed.id)
        assert (ended["status"], ended["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
        invoice = latest_invoice(failed.id)
        assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == ("open", 5, None)
        assert not invoice["auto_advance"]
        assert emitted_types()[-1] == "customer.subscription.deleted"
        assert timekeeping.pass_time(now=first + timedelta(days=300)) == 0

    def test_is_repaired_by_a_new_default_card_at_the_next_retry(
        self, failed: Any, client_of_stripe: stripe.StripeClient
    ) -> None:
        use_card(client_of_stripe, failed.customer, "pm_card_visa")
        assert store.get("subscription", failed.id)["status"] == "past_due"
        timekeeping.pass_time(now=store.moment(latest_invoice(failed.id)["next_payment_attempt"]))
        assert latest_invoice(failed.id)["status"] == "paid"
        assert store.get("subscription", failed.id)["status"] == "active"
        assert not store.get("customer", failed.customer)["delinquent"]

    def test_is_repaired_by_paying(self, failed: Any, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/api/invoices/pay"""
        api, invoice = client_of_stripe.v1, latest_invoice(failed.id)
        with pytest.raises(stripe.CardError):
            api.invoices.pay(invoice["id"])
        again = latest_invoice(failed.id)
        assert (again["attempt_count"], again["next_payment_attempt"]) == (1, invoice["next_payment_attempt"])
        use_card(client_of_stripe, failed.customer, "pm_card_visa")
        assert api.invoices.pay(invoice["id"]).status == "paid"
        assert api.subscriptions.retrieve(failed.id).status == "active"
        assert timekeeping.pass_time(now=period_end(failed.id) - timedelta(days=8)) == 0

    def test_without_any_card_is_a_failure_too(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        customer = client_of_stripe.v1.customers.retrieve(subscription.customer)
        default: Any = customer.invoice_settings.default_payment_method  # type: ignore[union-attr]
        client_of_stripe.v1.payment_methods.detach(default)
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=1))
        assert store.get("subscription", subscription.id)["status"] == "past_due"
        assert latest_invoice(subscription.id)["attempt_count"] == 1

    def test_asks_for_authentication_where_the_card_does(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/overview#requires-action"""
        subscription = subscribe(client_of_stripe)
        use_card(client_of_stripe, subscription.customer, "pm_card_threeDSecure2Required")
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=1))
        assert store.get("subscription", subscription.id)["status"] == "past_due"
        assert "invoice.payment_action_required" in emitted_types()
        assert "invoice.payment_failed" in emitted_types()


class TestNamedCards:
    """https://docs.stripe.com/testing#declined-payments"""

    def test_one_that_is_declined_cannot_be_saved(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(stripe.CardError) as raised:
            client_of_stripe.v1.payment_methods.attach("pm_card_chargeDeclined", params={"customer": customer.id})
        assert raised.value.code == "card_declined"

    def test_time_passes_once_for_each_moment(self, client_of_stripe: stripe.StripeClient) -> None:
        subscribe(client_of_stripe)
        assert timekeeping.pass_time(now=clock.now()) == 0
        assert timekeeping.find_next_moment(until=clock.now() + timedelta(days=40)) is not None
