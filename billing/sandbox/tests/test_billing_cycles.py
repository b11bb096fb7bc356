"""When a subscription is billed and what is owed for parts of a period, either way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import periods, store
from billing.sandbox.services import subscriptions, timekeeping
from billing.sandbox.tests.conftest import emitted_types
from billing.sandbox.tests.test_renewals import latest_invoice, period_end
from billing.sandbox.tests.test_subscriptions import ENTERPRISE, MONTHLY, change, half_way, subscribe
from smartspec import clock

DAY = 86400


def amounts(subscription_id: str) -> list[int]:
    return [line["amount"] for line in latest_invoice(subscription_id)["lines"]["data"]]


def balance(customer: str) -> int:
    return int(store.get("customer", customer)["balance"])


class TestAnchor:
    """https://docs.stripe.com/billing/subscriptions/billing-cycle"""

    @pytest.mark.parametrize("behavior", ["create_prorations", "none"])
    def test_cuts_the_first_period_short(self, client_of_stripe: stripe.StripeClient, behavior: str) -> None:
        anchor = store.timestamp(clock.now()) + 10 * DAY
        subscription = subscribe(client_of_stripe, billing_cycle_anchor=anchor, proration_behavior=behavior)
        item = subscription["items"]["data"][0]
        length = anchor - periods.add_interval(anchor, interval="month", count=-1)
        share = round(2900 * (anchor - item.current_period_start) / length)
        assert item.current_period_end == anchor
        assert amounts(subscription.id) == [share if behavior != "none" else 0]
        timekeeping.pass_time(now=store.moment(anchor) + timedelta(hours=2))
        assert amounts(subscription.id) == [2900]
        assert store.timestamp(period_end(subscription.id)) == periods.add_interval(anchor, interval="month", count=1)

    def test_by_the_day_of_the_month(self, client_of_stripe: stripe.StripeClient) -> None:
        config = {"day_of_month": 1, "hour": 0, "minute": 0, "second": 0}
        subscription = subscribe(client_of_stripe, billing_cycle_anchor_config=config)
        anchor = datetime.fromtimestamp(subscription.billing_cycle_anchor, UTC)
        assert (anchor.day, anchor.hour, anchor.minute, anchor.second) == (1, 0, 0, 0)
        assert subscription["items"]["data"][0].current_period_end == subscription.billing_cycle_anchor

    def test_that_cannot_be_is_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        now = store.timestamp(clock.now())
        for anchor in (now - DAY, now + 40 * DAY):
            with pytest.raises(stripe.InvalidRequestError) as raised:
                subscribe(client_of_stripe, billing_cycle_anchor=anchor)
            assert raised.value.param == "billing_cycle_anchor"

    @pytest.mark.parametrize(("behavior", "total"), [("create_prorations", 1450), ("none", 2900)])
    def test_is_moved_to_now(self, client_of_stripe: stripe.StripeClient, behavior: str, total: int) -> None:
        subscription = subscribe(client_of_stripe)
        middle = half_way(subscription)
        params = {"billing_cycle_anchor": "now", "proration_behavior": behavior}
        moved = subscriptions.update_subscription(subscription.id, params, now=middle)
        assert moved["billing_cycle_anchor"] == moved["items"]["data"][0]["current_period_start"]
        assert latest_invoice(subscription.id)["total"] == total


class TestPaymentBehavior:
    """https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior"""

    @pytest.mark.parametrize(
        ("behavior", "status", "price"),
        [
            ("allow_incomplete", "past_due", ENTERPRISE),
            ("default_incomplete", "past_due", ENTERPRISE),
            ("pending_if_incomplete", "active", MONTHLY),
        ],
    )
    def test_says_what_an_unpaid_change_leaves(
        self, client_of_stripe: stripe.StripeClient, behavior: Any, status: str, price: str
    ) -> None:
        subscription = subscribe(client_of_stripe)
        api = client_of_stripe.v1
        failing = api.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": subscription.customer})
        api.subscriptions.update(subscription.id, params={"default_payment_method": failing.id})
        params: Any = change(subscription, ENTERPRISE, proration_behavior="always_invoice", payment_behavior=behavior)
        changed = api.subscriptions.update(subscription.id, params=params)
        assert (changed.status, changed["items"]["data"][0].price.id) == (status, price)
        assert bool(changed.pending_update) == (behavior == "pending_if_incomplete")
        assert latest_invoice(subscription.id)["status"] == "open"
        paid = api.invoices.pay(changed.latest_invoice, params={"payment_method": "pm_card_visa"})  # type: ignore[arg-type]
        assert paid.status == "paid"
        after = store.get("subscription", subscription.id)
        assert (after["status"], after["items"]["data"][0]["price"]["id"]) == ("active", ENTERPRISE)
        if behavior == "pending_if_incomplete":
            assert "customer.subscription.pending_update_applied" in emitted_types()


class TestPendingUpdates:
    """https://docs.stripe.com/billing/subscriptions/pending-updates"""

    @pytest.fixture
    def waiting(self, client_of_stripe: stripe.StripeClient) -> Any:
        """A subscription to Pro whose upgrade waits for its payment."""
        subscription = subscribe(client_of_stripe)
        api = client_of_stripe.v1
        asking = api.payment_methods.attach("pm_card_threeDSecure2Required", params={"customer": subscription.customer})
        api.subscriptions.update(subscription.id, params={"default_payment_method": asking.id})
        params: Any = change(
            subscription, ENTERPRISE, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
        )
        return api.subscriptions.update(subscription.id, params=params)

    def test_give_way_to_a_newer_change(self, waiting: Any, client_of_stripe: stripe.StripeClient) -> None:
        first = waiting.latest_invoice
        params: Any = change(
            waiting,
            "price_smartspec_enterprise_yearly",
            proration_behavior="always_invoice",
            payment_behavior="pending_if_incomplete",
        )
        newer = client_of_stripe.v1.subscriptions.update(waiting.id, params=params)
        assert store.get("invoice", first)["status"] == "void"
        assert newer.latest_invoice != first
        pending: Any = newer.pending_update
        assert pending.subscription_items[0].price.id == "price_smartspec_enterprise_yearly"
        assert newer["items"]["data"][0].price.id == MONTHLY

    def test_do_not_outlive_the_period(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe, card="pm_card_threeDSecure2Required", trial_period_days=2)
        timekeeping.pass_time(now=store.moment(subscription.trial_end))
        client_of_stripe.v1.invoices.finalize_invoice(latest_invoice(subscription.id)["id"])
        client_of_stripe.v1.invoices.pay(
            latest_invoice(subscription.id)["id"], params={"payment_method": "pm_card_visa"}
        )
        end = period_end(subscription.id)
        params = change(
            subscription, ENTERPRISE, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
        )
        changed = subscriptions.update_subscription(subscription.id, params, now=end - timedelta(hours=3))
        assert changed["pending_update"]["expires_at"] == store.timestamp(end)

    def test_are_dropped_by_the_next_phase_of_a_schedule(
        self, client_of_stripe: stripe.StripeClient, waiting: Any
    ) -> None:
        invoice = waiting.latest_invoice
        params = {"items": [{"id": waiting["items"]["data"][0].id, "price": ENTERPRISE}], "metadata": {}}
        subscriptions.enter_phase(waiting.id, params | {"proration_behavior": "none"}, now=clock.now())
        assert store.get("invoice", invoice)["status"] == "void"
        after = store.get("subscription", waiting.id)
        assert (after["pending_update"], after["items"]["data"][0]["price"]["id"]) == (None, ENTERPRISE)

    def test_take_only_what_can_wait(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        for param, value in (("metadata", {"a": "b"}), ("cancel_at_period_end", True)):
            params: Any = change(subscription, ENTERPRISE, payment_behavior="pending_if_incomplete") | {param: value}
            with pytest.raises(stripe.InvalidRequestError) as raised:
                client_of_stripe.v1.subscriptions.update(subscription.id, params=params)
            assert raised.value.param == param
        assert store.get("subscription", subscription.id)["metadata"] == {}


class TestCancellation:
    """https://docs.stripe.com/api/subscriptions/cancel"""

    def test_owes_nothing_back_by_itself(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.subscriptions.cancel(subscription.id)
        assert store.find("invoiceitem", customer=subscription.customer) == []

    def test_leaves_what_is_owed_back_for_the_next_invoice(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        subscriptions.cancel_subscription(subscription.id, {"prorate": True}, now=half_way(subscription))
        (item,) = store.find("invoiceitem", customer=subscription.customer, invoice="")
        assert (item["amount"], item["proration"]) == (-1450, True)

    def test_puts_it_into_the_customers_balance_at_once(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/customer/balance"""
        subscription = subscribe(client_of_stripe)
        params = {"prorate": True, "invoice_now": True}
        subscriptions.cancel_subscription(subscription.id, params, now=half_way(subscription))
        invoice = latest_invoice(subscription.id)
        assert (invoice["total"], invoice["amount_due"], invoice["status"]) == (-1450, 0, "paid")
        assert balance(subscription.customer) == -1450


class TestBalance:
    """https://docs.stripe.com/billing/customer/balance"""

    def test_pays_first(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.customers.update(subscription.customer, params={"balance": -4000})
        (line,) = client_of_stripe.v1.customers.balance_transactions.list(subscription.customer).data
        assert (line.amount, line.type) == (-4000, "adjustment")
        found = []
        for _ in range(3):
            timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
            found.append((latest_invoice(subscription.id)["amount_paid"], balance(subscription.customer)))
        assert found == [(0, -1100), (1800, 0), (2900, 0)]

    def test_comes_back_with_a_void_invoice(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/changelog/2019-12-03/customer-balances-returned-voided-invoices"""
        api = client_of_stripe.v1
        customer = api.customers.create(params={"balance": -300})
        api.invoice_items.create(params={"customer": customer.id, "amount": 1000, "currency": "usd"})
        invoice = api.invoices.create(params={"customer": customer.id, "pending_invoice_items_behavior": "include"})
        assert api.invoices.finalize_invoice(invoice.id).amount_due == 700
        assert balance(customer.id) == 0
        api.invoices.void_invoice(invoice.id)
        assert balance(customer.id) == -300

    def test_takes_what_is_too_little_to_charge(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""
        subscription = subscribe(client_of_stripe)
        client_of_stripe.v1.customers.update(subscription.customer, params={"balance": -2880})
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert (latest_invoice(subscription.id)["status"], balance(subscription.customer)) == ("paid", 20)
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert latest_invoice(subscription.id)["amount_paid"] == 2920


class TestAnInvoiceByHand:
    """https://docs.stripe.com/api/invoices/create"""

    def test_of_a_subscription_bills_what_waits_for_that_one_alone(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1
        subscription = subscribe(client_of_stripe)
        upgrade: Any = change(subscription, ENTERPRISE)
        api.subscriptions.update(subscription.id, params=upgrade)
        api.invoice_items.create(params={"customer": subscription.customer, "amount": 500, "currency": "usd"})
        invoice = api.invoices.create(
            params={
                "customer": subscription.customer,
                "subscription": subscription.id,
                "pending_invoice_items_behavior": "include",
            }
        )
        assert [line.amount for line in invoice.lines.data] == [19900, -2900]
        stored = store.get("invoice", invoice.id)
        assert stored["parent"]["subscription_details"]["subscription"] == subscription.id
        assert stored["billing_reason"] == "manual"
        (left,) = api.invoice_items.list(params={"customer": subscription.customer, "pending": True}).data
        assert left.amount == 500

    def test_of_an_unknown_subscription_is_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(stripe.InvalidRequestError, match="No such subscription") as raised:
            client_of_stripe.v1.invoices.create(params={"customer": customer.id, "subscription": "sub_unknown"})
        assert raised.value.param == "subscription"
        assert store.find("invoice") == []
