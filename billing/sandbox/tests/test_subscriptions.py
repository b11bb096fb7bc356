"""Subscriptions change, are cancelled, and are paid by Stripe's rules.

https://docs.stripe.com/billing/subscriptions/prorations and /pending-updates
"""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import periods, store
from billing.sandbox.services import invoices, payments, subscriptions, timekeeping
from billing.sandbox.tests.conftest import emitted_types
from smartspec import clock

MONTHLY = "price_smartspec_pro_monthly"
ENTERPRISE = "price_smartspec_enterprise_monthly"


def subscribe(client: stripe.StripeClient, price: str = MONTHLY, card: str = "pm_card_visa", **params: Any) -> Any:
    api = client.v1
    customer = api.customers.create(params={"email": "alice@example.com"})
    method = api.payment_methods.attach(card, params={"customer": customer.id})
    api.customers.update(customer.id, params={"invoice_settings": {"default_payment_method": method.id}})
    return api.subscriptions.create(
        params={"customer": customer.id, "items": [{"price": price}], **params}  # type: ignore[arg-type]
    )


def half_way(subscription: Any) -> Any:
    item = subscription["items"]["data"][0]
    return store.moment((item["current_period_start"] + item["current_period_end"]) // 2)


def change(subscription: Any, price: str, **params: Any) -> dict[str, Any]:
    return {"items": [{"id": subscription["items"]["data"][0]["id"], "price": price}], **params}


class TestCreate:
    def test_pays_the_first_invoice(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, expand=["latest_invoice.payments"])
        assert subscription.status == "active"
        assert subscription.latest_invoice.amount_paid == 2900
        assert subscription.latest_invoice.payments.data[0].status == "paid"
        item = subscription["items"]["data"][0]
        assert item.current_period_end == periods.add_interval(item.current_period_start, interval="month", count=1)

    def test_stays_incomplete_when_the_card_is_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, card="pm_card_chargeCustomerFail")
        assert subscription.status == "incomplete"
        invoice = client_of_stripe.v1.invoices.retrieve(subscription.latest_invoice)
        assert (invoice.status, invoice.attempt_count) == ("open", 1)
        assert "invoice.payment_failed" in emitted_types()

    @pytest.mark.parametrize(
        "refused",
        [
            {"items": [{"price": ENTERPRISE}], "proration_behavior": "always_invoice"},
            {"billing_cycle_anchor": "now"},
            {"trial_end": 2_000_000_000},
            {"discounts": [{"coupon": "half"}]},
        ],
    )
    def test_cannot_be_changed_into_something_else_while_incomplete(
        self, refused: Any, client_of_stripe: stripe.StripeClient
    ) -> None:
        """https://docs.stripe.com/api/subscriptions/object#subscription_object-status"""
        api = client_of_stripe.v1
        api.coupons.create(params={"id": "half", "percent_off": 50, "duration": "once"})
        waiting = subscribe(client_of_stripe, card="pm_card_chargeCustomerFail")
        with pytest.raises(stripe.InvalidRequestError, match="`incomplete`"):
            api.subscriptions.update(waiting.id, params=refused)
        assert api.subscriptions.update(waiting.id, params={"metadata": {"a": "b"}}).status == "incomplete"
        assert len(store.find("invoice", subscription=waiting.id)) == 1

    def test_error_if_incomplete_keeps_nothing(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.CardError):
            subscribe(client_of_stripe, card="pm_card_chargeCustomerFail", payment_behavior="error_if_incomplete")
        assert store.rows("subscription").count() == 0

    def test_becomes_active_once_authenticated(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, card="pm_card_threeDSecure2Required")
        assert subscription.status == "incomplete"
        payment: Any = client_of_stripe.v1.invoice_payments.list(params={"invoice": subscription.latest_invoice}).data[
            0
        ]
        intent = payments.complete_authentication(payment.payment.payment_intent, now=clock.now())
        invoices.settle_by_intent(intent, now=clock.now())
        assert client_of_stripe.v1.subscriptions.retrieve(subscription.id).status == "active"

    def test_needs_something_to_pay_with(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
            client_of_stripe.v1.subscriptions.create(params={"customer": customer.id, "items": [{"price": MONTHLY}]})

    def test_a_trial_costs_nothing_until_it_ends(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, trial_period_days=7, expand=["latest_invoice"])
        assert subscription.status == "trialing"
        assert (subscription.latest_invoice.amount_paid, subscription.latest_invoice.status) == (0, "paid")
        ended = client_of_stripe.v1.subscriptions.update(subscription.id, params={"trial_end": "now"})
        assert ended.status == "active"
        latest: Any = ended.latest_invoice
        assert client_of_stripe.v1.invoices.retrieve(latest).amount_paid == 2900


class TestUpgrade:
    def test_invoices_the_difference_of_what_is_left(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe).id)
        changed = subscriptions.update_subscription(
            subscription["id"],
            change(subscription, ENTERPRISE, proration_behavior="always_invoice"),
            now=half_way(subscription),
        )
        invoice = store.get("invoice", changed["latest_invoice"])
        assert [line["amount"] for line in invoice["lines"]["data"]] == [-1450, 9950]
        assert (invoice["status"], invoice["amount_paid"]) == ("paid", 8500)
        assert invoice["billing_reason"] == "subscription_update"
        assert all(line["parent"]["subscription_item_details"]["proration"] for line in invoice["lines"]["data"])
        item = changed["items"]["data"][0]
        assert item["price"]["id"] == ENTERPRISE
        assert item["current_period_end"] == subscription["items"]["data"][0]["current_period_end"]

    def test_costs_what_the_preview_said(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe).id)
        now = half_way(subscription)
        wanted = change(
            subscription, ENTERPRISE, proration_behavior="always_invoice", proration_date=store.timestamp(now)
        )
        preview = subscriptions.preview_invoice(
            {"subscription": subscription["id"], "subscription_details": wanted}, now=now
        )
        assert preview["id"].startswith("upcoming_in_")
        assert preview["amount_due"] == 8500
        assert store.find_any(preview["id"]) is None
        changed = subscriptions.update_subscription(subscription["id"], wanted, now=now + timedelta(minutes=5))
        assert store.get("invoice", changed["latest_invoice"])["amount_due"] == 8500

    def test_waits_for_its_payment_with_pending_if_incomplete(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe).id)
        customer = subscription["customer"]
        api = client_of_stripe.v1
        failing = api.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": customer})
        api.customers.update(customer, params={"invoice_settings": {"default_payment_method": failing.id}})
        now = half_way(subscription)
        wanted = change(
            subscription,
            ENTERPRISE,
            proration_behavior="always_invoice",
            payment_behavior="pending_if_incomplete",
        )
        waiting = subscriptions.update_subscription(subscription["id"], wanted, now=now)
        assert waiting["status"] == "active"
        assert waiting["items"]["data"][0]["price"]["id"] == MONTHLY
        assert waiting["pending_update"]["subscription_items"][0]["price"]["id"] == ENTERPRISE
        invoices.pay_invoice(waiting["latest_invoice"], payment_method_id="pm_card_visa", now=now)
        applied = store.get("subscription", subscription["id"])
        assert applied["items"]["data"][0]["price"]["id"] == ENTERPRISE
        assert applied["pending_update"] is None

    def test_a_refused_card_changes_nothing_with_error_if_incomplete(
        self, client_of_stripe: stripe.StripeClient
    ) -> None:
        subscription = subscribe(client_of_stripe)
        api = client_of_stripe.v1
        failing = api.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": subscription.customer})
        api.subscriptions.update(subscription.id, params={"default_payment_method": failing.id})
        before = store.get("subscription", subscription.id)
        with pytest.raises(stripe.CardError):
            api.subscriptions.update(
                subscription.id,
                params=change(  # type: ignore[arg-type]
                    before,
                    "price_smartspec_enterprise_yearly",
                    proration_behavior="always_invoice",
                    payment_behavior="error_if_incomplete",
                ),
            )
        assert store.get("subscription", subscription.id) == before

    def test_another_interval_starts_a_new_period(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe).id)
        now = half_way(subscription)
        wanted = change(subscription, "price_smartspec_pro_yearly", proration_behavior="always_invoice")
        changed = subscriptions.update_subscription(subscription["id"], wanted, now=now)
        invoice = store.get("invoice", changed["latest_invoice"])
        assert [line["amount"] for line in invoice["lines"]["data"]] == [-1450, 29000]
        item = changed["items"]["data"][0]
        assert item["current_period_start"] == changed["billing_cycle_anchor"] == store.timestamp(now)

    def test_what_is_owed_back_becomes_credit(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe, ENTERPRISE).id)
        now = half_way(subscription)
        wanted = change(subscription, MONTHLY, proration_behavior="always_invoice")
        changed = subscriptions.update_subscription(subscription["id"], wanted, now=now)
        invoice = store.get("invoice", changed["latest_invoice"])
        assert (invoice["total"], invoice["amount_due"], invoice["status"]) == (-8500, 0, "paid")
        assert store.get("customer", subscription["customer"])["balance"] == -8500
        upcoming = subscriptions.preview_invoice({"subscription": subscription["id"]}, now=now)
        assert (upcoming["total"], upcoming["amount_due"]) == (2900, 0)


class TestCancel:
    def test_at_the_period_end_and_back(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.subscriptions
        subscription = subscribe(client_of_stripe)
        cancelled = api.update(subscription.id, params={"cancel_at_period_end": True})
        assert cancelled.status == "active"
        assert cancelled.cancel_at == subscription["items"]["data"][0].current_period_end
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.invoices.create_preview(params={"subscription": subscription.id})
        assert raised.value.code == "invoice_upcoming_none"
        resumed = api.update(subscription.id, params={"cancel_at_period_end": False})
        assert (resumed.cancel_at, resumed.canceled_at) == (None, None)

    def test_at_once(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.subscriptions
        subscription = subscribe(client_of_stripe)
        assert api.cancel(subscription.id).status == "canceled"
        assert emitted_types()[-1] == "customer.subscription.deleted"
        with pytest.raises(stripe.InvalidRequestError) as raised:
            api.cancel(subscription.id)
        assert raised.value.code == "resource_missing"
        with pytest.raises(stripe.InvalidRequestError, match="canceled subscription can only"):
            api.update(subscription.id, params={"cancel_at_period_end": True})
        assert api.list(params={"customer": subscription.customer}).data == []
        assert len(api.list(params={"customer": subscription.customer, "status": "all"}).data) == 1

    @pytest.mark.parametrize(("behavior", "share"), [("create_prorations", 2), ("none", None)])
    def test_inside_the_period_owes_the_rest_back_unless_told_otherwise(
        self, behavior: Any, share: int | None, client_of_stripe: stripe.StripeClient
    ) -> None:
        """https://docs.stripe.com/api/subscriptions/update#update_subscription-cancel_at"""
        subscription = subscribe(client_of_stripe)
        ends_at = store.timestamp(half_way(subscription))
        client_of_stripe.v1.subscriptions.update(
            subscription.id, params={"cancel_at": ends_at, "proration_behavior": behavior}
        )
        paid = store.get("invoice", store.get("subscription", subscription.id)["latest_invoice"])["amount_paid"]
        owed = [item["amount"] for item in store.find("invoiceitem")]
        assert owed == ([-paid // share] if share else [])


class TestTime:
    def test_ends_what_was_cancelled_at_its_period_end(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        end = subscription["items"]["data"][0].current_period_end
        timekeeping.pass_time(now=store.moment(end - 1))
        assert store.get("subscription", subscription.id)["status"] == "active"
        timekeeping.pass_time(now=store.moment(end + 3600))
        ended = store.get("subscription", subscription.id)
        assert (ended["status"], ended["ended_at"], ended["cancel_at_period_end"]) == ("canceled", end, True)
        event = store.find("event", name="customer.subscription.deleted")[0]
        assert event["created"] == end

    def test_expires_what_nobody_pays_for_23_hours(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, card="pm_card_chargeCustomerFail")
        timekeeping.pass_time(now=clock.now() + timedelta(hours=22))
        assert store.get("subscription", subscription.id)["status"] == "incomplete"
        timekeeping.pass_time(now=clock.now() + timedelta(hours=24))
        assert store.get("subscription", subscription.id)["status"] == "incomplete_expired"
        assert store.get("invoice", subscription.latest_invoice)["status"] == "void"

    def test_lets_a_change_lapse_that_nobody_pays(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = store.get("subscription", subscribe(client_of_stripe).id)
        method = client_of_stripe.v1.payment_methods.attach(
            "pm_card_chargeCustomerFail", params={"customer": subscription["customer"]}
        )
        client_of_stripe.v1.subscriptions.update(subscription["id"], params={"default_payment_method": method.id})
        wanted = change(
            subscription, ENTERPRISE, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
        )
        waiting = subscriptions.update_subscription(subscription["id"], wanted, now=clock.now())
        assert waiting["pending_update"]
        timekeeping.pass_time(now=clock.now() + timedelta(hours=24))
        lapsed = store.get("subscription", subscription["id"])
        assert (lapsed["pending_update"], lapsed["status"]) == (None, "active")
        assert lapsed["items"]["data"][0]["price"]["id"] == MONTHLY
        assert store.get("invoice", waiting["latest_invoice"])["status"] == "void"
        assert emitted_types()[-1] == "customer.subscription.pending_update_expired"


class TestItems:
    def test_are_listed_and_found_by_their_id(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.subscription_items
        subscription = subscribe(client_of_stripe)
        item = api.list(params={"subscription": subscription.id}).data[0]
        changed = api.update(item.id, params={"quantity": 3})
        assert changed.quantity == 3
        assert store.get("subscription", subscription.id)["items"]["data"][0]["quantity"] == 3


class TestSchedules:
    def test_take_over_a_subscription_and_let_it_go(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1
        subscription = subscribe(client_of_stripe, ENTERPRISE)
        schedule = api.subscription_schedules.create(params={"from_subscription": subscription.id})
        assert api.subscriptions.retrieve(subscription.id).schedule == schedule.id
        current = schedule.phases[0]
        changed = api.subscription_schedules.update(
            schedule.id,
            params={
                "phases": [
                    {
                        "items": [{"price": ENTERPRISE}],
                        "start_date": current.start_date,
                        "end_date": current.end_date,
                    },
                    {"items": [{"price": MONTHLY}], "duration": {"interval": "month"}},
                ]
            },
        )
        later = changed.phases[1]
        assert later.start_date == current.end_date
        assert later.end_date == periods.add_interval(current.end_date, interval="month", count=1)
        with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
            api.subscriptions.update(subscription.id, params={"cancel_at_period_end": True})
        with pytest.raises(stripe.InvalidRequestError, match="already attached to a schedule"):
            api.subscription_schedules.create(params={"from_subscription": subscription.id})
        released = api.subscription_schedules.release(schedule.id)
        assert (released.status, released.released_subscription) == ("released", subscription.id)
        assert api.subscriptions.retrieve(subscription.id).schedule is None
        with pytest.raises(stripe.InvalidRequestError, match="`released` status"):
            api.subscription_schedules.release(schedule.id)
