"""Test clocks, by Stripe's own client library.

https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import periods, store
from billing.sandbox.tests.conftest import emitted_types

START = int(datetime(2026, 1, 31, 9, 0, tzinfo=UTC).timestamp())
DAY = 86400


@pytest.fixture
def clock_of_stripe(client_of_stripe: stripe.StripeClient) -> Any:
    return client_of_stripe.v1.test_helpers.test_clocks.create(params={"frozen_time": START, "name": "January"})


@pytest.fixture
def subscribe(client_of_stripe: stripe.StripeClient, clock_of_stripe: Any) -> Callable[..., Any]:
    """Subscribe a customer of the clock."""
    api = client_of_stripe.v1

    def make(price: str = "price_smartspec_pro_monthly", card: str = "pm_card_visa") -> Any:
        customer = api.customers.create(
            params={
                "email": "clara@example.com",
                "test_clock": clock_of_stripe.id,
                "payment_method": card,
            }
        )
        method = api.customers.payment_methods.list(customer.id).data[0].id
        api.customers.update(customer.id, params={"invoice_settings": {"default_payment_method": method}})
        return api.subscriptions.create(params={"customer": customer.id, "items": [{"price": price}]})

    return make


@pytest.fixture
def advance(client_of_stripe: stripe.StripeClient, clock_of_stripe: Any) -> Callable[[int], Any]:
    """Move the clock to a time and wait for it, as an outside program does."""
    api = client_of_stripe.v1.test_helpers.test_clocks

    def move(to: int) -> Any:
        assert api.advance(clock_of_stripe.id, params={"frozen_time": to}).status == "advancing"
        return api.retrieve(clock_of_stripe.id)

    return move


class TestClock:
    """https://docs.stripe.com/api/test_clocks"""

    def test_stands_still_and_is_listed(self, client_of_stripe: stripe.StripeClient, clock_of_stripe: Any) -> None:
        assert (clock_of_stripe.frozen_time, clock_of_stripe.status) == (START, "ready")
        assert clock_of_stripe.name == "January"
        listed = client_of_stripe.v1.test_helpers.test_clocks.list().data
        assert [clock.id for clock in listed] == [clock_of_stripe.id]

    def test_is_the_time_of_all_that_hangs_on_it(self, subscribe: Callable[..., Any], clock_of_stripe: Any) -> None:
        subscription = subscribe()
        assert subscription.test_clock == clock_of_stripe.id
        assert subscription.created == subscription.billing_cycle_anchor == START
        customer, invoice = (
            store.get("customer", subscription.customer),
            store.get("invoice", subscription.latest_invoice),
        )
        assert (customer["test_clock"], customer["created"]) == (clock_of_stripe.id, START)
        assert (invoice["test_clock"], invoice["created"]) == (clock_of_stripe.id, START)

    def test_plays_what_is_due_in_order(
        self, subscribe: Callable[..., Any], advance: Callable[[int], Any], clock_of_stripe: Any
    ) -> None:
        subscription = subscribe()
        arrived = advance(periods.add_interval(START, interval="month", count=1) + 2 * 3600)
        assert arrived.status == "ready"
        renewed = store.get("subscription", subscription.id)
        assert store.moment(renewed["items"]["data"][0]["current_period_start"]).date().isoformat() == "2026-02-28"
        assert store.get("invoice", renewed["latest_invoice"])["status"] == "paid"
        assert emitted_types()[-1] == "test_helpers.test_clock.ready"
        advance(arrived.frozen_time + 59 * DAY)
        assert len(store.find("invoice", subscription=subscription.id, status="paid")) == 3

    def test_is_brought_forward_by_the_worker_too(
        self,
        client_of_stripe: stripe.StripeClient,
        subscribe: Callable[..., Any],
        clock_of_stripe: Any,
        run_jobs: Callable[[], int],
    ) -> None:
        subscribe()
        api = client_of_stripe.v1.test_helpers.test_clocks
        api.advance(clock_of_stripe.id, params={"frozen_time": START + DAY})
        run_jobs()
        assert store.get("test_helpers.test_clock", clock_of_stripe.id)["frozen_time"] == START + DAY

    def test_takes_everything_with_it_when_it_is_deleted(
        self, client_of_stripe: stripe.StripeClient, subscribe: Callable[..., Any], clock_of_stripe: Any
    ) -> None:
        """https://docs.stripe.com/api/test_clocks/delete"""
        subscription = subscribe()
        api = client_of_stripe.v1
        assert api.test_helpers.test_clocks.delete(clock_of_stripe.id).deleted
        for find in (
            lambda: api.test_helpers.test_clocks.retrieve(clock_of_stripe.id),
            lambda: api.subscriptions.retrieve(subscription.id),
            lambda: api.invoices.retrieve(subscription.latest_invoice),
        ):
            with pytest.raises(stripe.InvalidRequestError) as raised:
                find()
            assert raised.value.code == "resource_missing"
        assert api.customers.retrieve(subscription.customer).deleted


class TestRefusals:
    """https://docs.stripe.com/api/test_clocks/advance"""

    def test_backwards(self, advance: Callable[[int], Any]) -> None:
        for to in (START, START - DAY):
            with pytest.raises(stripe.InvalidRequestError) as raised:
                advance(to)
            assert raised.value.param == "frozen_time"

    def test_more_than_two_intervals_of_the_shortest_subscription(
        self, subscribe: Callable[..., Any], advance: Callable[[int], Any]
    ) -> None:
        subscribe("price_smartspec_pro_yearly")
        subscribe()
        limit = periods.add_interval(START, interval="month", count=2)
        with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
            advance(limit + 1)
        assert advance(limit).frozen_time == limit

    def test_more_than_two_years_without_a_subscription(self, advance: Callable[[int], Any]) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            advance(periods.add_interval(START, interval="year", count=2) + 1)

    def test_changes_while_it_advances(
        self, client_of_stripe: stripe.StripeClient, subscribe: Callable[..., Any], clock_of_stripe: Any
    ) -> None:
        subscription = subscribe()
        api = client_of_stripe.v1
        api.test_helpers.test_clocks.advance(clock_of_stripe.id, params={"frozen_time": START + DAY})
        with pytest.raises(stripe.RateLimitError, match="advancement underway"):
            api.subscriptions.update(subscription.id, params={"metadata": {"a": "b"}})
        with pytest.raises(stripe.RateLimitError, match="advancement underway"):
            api.test_helpers.test_clocks.advance(clock_of_stripe.id, params={"frozen_time": START + 2 * DAY})

    def test_a_change_refused_while_it_advances_may_be_asked_again_with_its_key(
        self, client_of_stripe: stripe.StripeClient, subscribe: Callable[..., Any], clock_of_stripe: Any
    ) -> None:
        """https://docs.stripe.com/api/idempotent_requests"""
        subscription = subscribe()
        api = client_of_stripe.v1
        api.test_helpers.test_clocks.advance(clock_of_stripe.id, params={"frozen_time": START + DAY})
        again: Any = {
            "params": {"metadata": {"a": "b"}},
            "options": {"idempotency_key": "k1", "max_network_retries": 0},
        }
        with pytest.raises(stripe.RateLimitError):
            api.subscriptions.update(subscription.id, **again)
        api.test_helpers.test_clocks.retrieve(clock_of_stripe.id)
        assert api.subscriptions.update(subscription.id, **again).metadata["a"] == "b"

    def test_what_time_brings_is_nobodys_request(
        self, client_of_stripe: stripe.StripeClient, subscribe: Callable[..., Any], clock_of_stripe: Any
    ) -> None:
        """https://docs.stripe.com/api/events/object#event_object-request"""
        subscribe()
        api = client_of_stripe.v1
        api.test_helpers.test_clocks.advance(clock_of_stripe.id, params={"frozen_time": START + 30 * DAY})
        api.test_helpers.test_clocks.retrieve(clock_of_stripe.id)
        (announced,) = api.events.list(params={"type": "invoice.upcoming"}).data
        assert announced["request"].id is None

    def test_unknown_ones(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1
        for attempt in (
            lambda: api.test_helpers.test_clocks.retrieve("clock_none"),
            lambda: api.test_helpers.test_clocks.advance("clock_none", params={"frozen_time": START}),
            lambda: api.customers.create(params={"test_clock": "clock_none"}),
        ):
            with pytest.raises(stripe.InvalidRequestError) as raised:
                attempt()
            assert raised.value.code == "resource_missing"


class TestDunning:
    def test_ends_a_subscription_that_nobody_pays(
        self,
        client_of_stripe: stripe.StripeClient,
        subscribe: Callable[..., Any],
        advance: Callable[[int], Any],
    ) -> None:
        """https://docs.stripe.com/billing/testing/test-clocks/simulate-subscriptions"""
        subscription = subscribe()
        api = client_of_stripe.v1
        failing = api.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": subscription.customer})
        api.customers.update(subscription.customer, params={"invoice_settings": {"default_payment_method": failing.id}})
        renewal = periods.add_interval(START, interval="month", count=1)
        advance(renewal + int(timedelta(days=20).total_seconds()))
        assert api.subscriptions.retrieve(subscription.id).status == "past_due"
        advance(renewal + int(timedelta(days=22).total_seconds()))
        ended = api.subscriptions.retrieve(subscription.id)
        assert ended.status == "canceled"
        assert ended.ended_at == renewal + 3600 + 21 * DAY
