"""Coupons on subscriptions, from one invoice to the next.

https://docs.stripe.com/billing/subscriptions/coupons
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.services import checkout, timekeeping
from billing.sandbox.tests.annotations import find_faults
from billing.sandbox.tests.conftest import emitted_types
from billing.sandbox.tests.test_renewals import latest_invoice, period_end
from billing.sandbox.tests.test_subscriptions import ENTERPRISE, subscribe
from smartspec import clock


def renew(subscription_id: str) -> dict[str, Any]:
    """Pass the end of the period and the hour of the draft, and return the invoice."""
    timekeeping.pass_time(now=period_end(subscription_id) + timedelta(hours=2))
    return latest_invoice(subscription_id)


def coupon(client: stripe.StripeClient, **params: Any) -> str:
    return client.v1.coupons.create(params={"percent_off": 50, **params}).id  # type: ignore[arg-type]


class TestRenewals:
    @pytest.mark.parametrize(
        ("params", "totals"),
        [
            ({"duration": "once"}, [1450, 2900, 2900, 2900]),
            ({"duration": "repeating", "duration_in_months": 3}, [1450, 1450, 1450, 2900]),
            ({"duration": "forever"}, [1450, 1450, 1450, 1450]),
        ],
    )
    def test_get_what_is_left_of_it(
        self, client_of_stripe: stripe.StripeClient, params: dict[str, Any], totals: list[int]
    ) -> None:
        subscription = subscribe(client_of_stripe, discounts=[{"coupon": coupon(client_of_stripe, **params)}])
        found = [latest_invoice(subscription.id)["amount_paid"]]
        found += [renew(subscription.id)["amount_paid"] for _ in range(3)]
        assert found == totals
        is_over = not store.get("subscription", subscription.id)["discounts"]
        assert is_over == (params["duration"] != "forever")
        assert ("customer.discount.deleted" in emitted_types()) == is_over

    def test_get_an_amount_off_as_well(self, client_of_stripe: stripe.StripeClient) -> None:
        off = client_of_stripe.v1.coupons.create(params={"amount_off": 400, "currency": "usd", "duration": "forever"})
        subscription = subscribe(client_of_stripe, discounts=[{"coupon": off.id}])
        invoice = renew(subscription.id)
        assert (invoice["subtotal"], invoice["total"], invoice["amount_paid"]) == (2900, 2500, 2500)
        assert [part["amount"] for part in invoice["total_discount_amounts"]] == [400]
        assert find_faults(invoice) == []

    def test_by_a_code_typed_at_checkout(
        self,
        client_of_stripe: stripe.StripeClient,
        plan: Callable[..., stripe.checkout.Session],
        card: Callable[..., checkout.CardFields],
    ) -> None:
        """https://docs.stripe.com/payments/checkout/discounts"""
        half = coupon(client_of_stripe, duration="repeating", duration_in_months=2)
        client_of_stripe.v1.promotion_codes.create(
            params={"promotion": {"type": "coupon", "coupon": half}, "code": "HALF"}
        )
        session = plan(allow_promotion_codes=True)
        checkout.apply_promotion_code(session.id, "half", now=clock.now())
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        subscription_id = store.get("checkout.session", session.id)["subscription"]
        assert store.get("coupon", half)["times_redeemed"] == 1
        first = latest_invoice(subscription_id)
        assert first["amount_paid"] == store.get("checkout.session", session.id)["amount_total"] == 1450
        assert [renew(subscription_id)["amount_paid"] for _ in range(2)] == [1450, 2900]

    def test_are_previewed_with_it(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/api/invoices/create_preview"""
        half = coupon(client_of_stripe, duration="repeating", duration_in_months=1)
        subscription = subscribe(client_of_stripe, discounts=[{"coupon": half}])
        api = client_of_stripe.v1.invoices
        assert api.create_preview(params={"subscription": subscription.id}).total == 2900
        other = api.create_preview(
            params={"subscription": subscription.id, "discounts": [{"coupon": half}]},
        )
        assert other.total == 1450


class TestChanges:
    def test_put_one_on_and_take_it_off(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        half = coupon(client_of_stripe, duration="forever")
        api = client_of_stripe.v1.subscriptions
        given = api.update(subscription.id, params={"discounts": [{"coupon": half}], "expand": ["discounts"]})
        discount: Any = given.discounts[0]
        assert (discount.source.coupon, discount.subscription) == (half, subscription.id)
        assert renew(subscription.id)["amount_paid"] == 1450
        assert api.update(subscription.id, params={"discounts": ""}).discounts == []
        assert renew(subscription.id)["amount_paid"] == 2900

    def test_prorate_what_was_paid(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/prorations"""
        half = coupon(client_of_stripe, duration="once")
        subscription = subscribe(client_of_stripe, discounts=[{"coupon": half}])
        item = subscription["items"]["data"][0].id
        client_of_stripe.v1.subscriptions.update(
            subscription.id,
            params={"items": [{"id": item, "price": ENTERPRISE}], "proration_behavior": "always_invoice"},
        )
        amounts = [line["amount"] for line in latest_invoice(subscription.id)["lines"]["data"]]
        assert amounts == [-1450, 19900]

    def test_refuse_what_is_unknown_or_used_up(self, client_of_stripe: stripe.StripeClient) -> None:
        subscription = subscribe(client_of_stripe)
        used_up = coupon(client_of_stripe, duration="once", max_redemptions=1)
        api = client_of_stripe.v1.subscriptions
        api.update(subscription.id, params={"discounts": [{"coupon": used_up}]})
        for given in ({"coupon": "NONE"}, {"coupon": used_up}, {"discount": "di_none"}):
            with pytest.raises(stripe.InvalidRequestError):
                api.update(subscription.id, params={"discounts": [given]})  # type: ignore[arg-type]
        assert len(api.retrieve(subscription.id).discounts) == 1
