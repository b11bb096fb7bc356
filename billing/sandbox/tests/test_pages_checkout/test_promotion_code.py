"""Hosted Checkout: typing a promotion code.

https://docs.stripe.com/payments/checkout/discounts
"""

from typing import Any

import pytest
import stripe
from django.test import Client

from billing.sandbox.tests.pages import check_page, path_of, text_of
from billing.sandbox.tests.test_pages_checkout.conftest import OpenSession, status_of
from billing.sandbox.tests.test_subscriptions import subscribe


class TestPromotionCode:
    """https://docs.stripe.com/payments/checkout/discounts"""

    def test_lowers_the_price(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        coupon = client_of_stripe.v1.coupons.create(params={"percent_off": 50, "duration": "once"})
        client_of_stripe.v1.promotion_codes.create(
            params={"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"}
        )
        session = package(allow_promotion_codes=True)
        page = f"{path_of(session.url)}/promotion-code"
        check_page(visitor.get(page))
        refused = visitor.post(page, {"promotionCode": "NOPE", "action": "apply"})
        check_page(refused)
        assert "This code is invalid." in text_of(refused)
        response = visitor.post(page, {"promotionCode": "half", "action": "apply"}, follow=True)
        check_page(response)
        assert "Pay $4.50" in text_of(response)
        assert "Pay $9.00" in text_of(visitor.post(page, {"action": "remove"}, follow=True))

    @pytest.mark.parametrize(
        ("restrictions", "said"),
        [
            ({"first_time_transaction": True}, "because the associated customer has prior transactions."),
            (
                {"minimum_amount": 1000, "minimum_amount_currency": "usd"},
                "because the associated purchase does not meet the minimum amount requirement.",
            ),
        ],
    )
    def test_that_may_not_be_redeemed_says_why(
        self,
        visitor: Client,
        package: OpenSession,
        client_of_stripe: stripe.StripeClient,
        restrictions: dict[str, Any],
        said: str,
    ) -> None:
        """https://docs.stripe.com/api/promotion_codes/create#create_promotion_code-restrictions"""
        half = client_of_stripe.v1.coupons.create(params={"percent_off": 50})
        promotion: Any = {"promotion": {"type": "coupon", "coupon": half.id}, "code": "HALF"}
        client_of_stripe.v1.promotion_codes.create(params=promotion | {"restrictions": restrictions})
        customer: Any = subscribe(client_of_stripe).customer
        session = package(customer=customer, allow_promotion_codes=True)
        page = f"{path_of(session.url)}/promotion-code"
        refused = visitor.post(page, {"promotionCode": "half", "action": "apply"})
        check_page(refused)
        assert said in text_of(refused)
        assert "Pay $9.00" in text_of(visitor.get(path_of(session.url)))

    def test_of_everything_needs_no_card(
        self, visitor: Client, package: OpenSession, client_of_stripe: stripe.StripeClient
    ) -> None:
        coupon = client_of_stripe.v1.coupons.create(params={"percent_off": 100, "duration": "once"})
        session = package(discounts=[{"coupon": coupon.id}])
        assert "cardNumber" not in text_of(visitor.get(path_of(session.url)))
        assert visitor.post(path_of(session.url), {"email": "alice@example.com"}).status_code == 303
        assert status_of(session) == ("complete", "no_payment_required")
