"""Who may redeem a promotion code, when, how often, for how much and for what.

https://docs.stripe.com/api/promotion_codes/create and /billing/subscriptions/coupons
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid, UnexpectedState
from billing.sandbox.services import checkout, timekeeping
from billing.sandbox.tests.annotations import find_faults
from billing.sandbox.tests.test_renewals import latest_invoice
from billing.sandbox.tests.test_subscriptions import ENTERPRISE, MONTHLY, subscribe
from smartspec import clock

Open = Callable[..., stripe.checkout.Session]
Card = Callable[..., checkout.CardFields]

PRO = "prod_smartspec_pro"
PRIOR = "This promotion code cannot be redeemed because the associated customer has prior transactions."
TOO_LITTLE = (
    "This promotion code cannot be redeemed because the associated purchase does not meet the minimum amount "
    "requirement."
)
NOTHING = "This coupon cannot be redeemed because it does not apply to anything in this order."


@pytest.fixture
def code(client_of_stripe: stripe.StripeClient) -> Callable[..., stripe.PromotionCode]:
    """Make a promotion code for half the price; `coupon` says more of its coupon."""

    def make(coupon: dict[str, Any] | None = None, **params: Any) -> stripe.PromotionCode:
        terms: Any = {"percent_off": 50, **(coupon or {})}
        half = client_of_stripe.v1.coupons.create(params=terms)
        given: Any = {"promotion": {"type": "coupon", "coupon": half.id}, "code": "HALF", **params}
        return client_of_stripe.v1.promotion_codes.create(params=given)

    return make


def customer_who_paid(client: stripe.StripeClient) -> str:
    customer: str = subscribe(client).customer
    return customer


def type_in(session: stripe.checkout.Session, typed: str = "half") -> dict[str, Any]:
    return checkout.apply_promotion_code(session.id, typed, now=clock.now())


def at_least(cents: int) -> dict[str, Any]:
    return {"minimum_amount": cents, "minimum_amount_currency": "usd"}


class TestFirstPurchase:
    """https://docs.stripe.com/api/promotion_codes/object#promotion_code_object-restrictions-first_time_transaction"""

    FIRST: dict[str, Any] = {"first_time_transaction": True}  # noqa: RUF012

    def test_is_for_who_has_paid_nothing(
        self,
        client_of_stripe: stripe.StripeClient,
        code: Callable[..., stripe.PromotionCode],
        package: Open,
        card: Card,
    ) -> None:
        code(restrictions=self.FIRST)
        customer = client_of_stripe.v1.customers.create(params={"email": "bob@example.com"})
        session = package(customer=customer.id, allow_promotion_codes=True)
        assert type_in(session)["amount_total"] == 450
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        with pytest.raises(ParameterInvalid, match=PRIOR):
            type_in(package(customer=customer.id, allow_promotion_codes=True))

    def test_is_refused_by_the_api_too(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode], package: Open
    ) -> None:
        first = code(restrictions=self.FIRST)
        customer = customer_who_paid(client_of_stripe)
        given: Any = [{"promotion_code": first.id}]
        api = client_of_stripe.v1
        calls: list[Callable[[], Any]] = [
            lambda: package(customer=customer, discounts=given),
            lambda: api.subscriptions.create(
                params={"customer": customer, "items": [{"price": MONTHLY}], "discounts": given}
            ),
            lambda: api.subscriptions.update(store.find("subscription")[0]["id"], params={"discounts": given}),
            lambda: api.invoices.create_preview(params={"customer": customer, "discounts": given}),
        ]
        for call in calls:
            with pytest.raises(stripe.InvalidRequestError) as refused:
                call()
            assert refused.value.code == "promotion_code_customer_not_first_time"
            assert refused.value.user_message == PRIOR
            assert refused.value.param == "discounts[0][promotion_code]"
        assert api.promotion_codes.retrieve(first.id).times_redeemed == 0

    def test_may_be_a_subscription(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode]
    ) -> None:
        first = code(restrictions=self.FIRST)
        subscription = subscribe(client_of_stripe, discounts=[{"promotion_code": first.id}])
        assert latest_invoice(subscription.id)["amount_paid"] == 1450


class TestMinimumAmount:
    """https://docs.stripe.com/api/promotion_codes/object#promotion_code_object-restrictions-minimum_amount"""

    def test_is_of_the_purchase_before_the_discount(
        self, code: Callable[..., stripe.PromotionCode], package: Open
    ) -> None:
        made = code(restrictions=at_least(900))
        assert find_faults(store.get("promotion_code", made.id)) == []
        assert type_in(package(allow_promotion_codes=True))["amount_total"] == 450

    @pytest.mark.parametrize("restrictions", [at_least(901), at_least(1) | {"minimum_amount_currency": "eur"}])
    def test_refuses_less_and_another_currency(
        self, code: Callable[..., stripe.PromotionCode], package: Open, restrictions: dict[str, Any]
    ) -> None:
        made = code(restrictions=restrictions)
        with pytest.raises(ParameterInvalid, match=TOO_LITTLE):
            type_in(package(allow_promotion_codes=True))
        with pytest.raises(stripe.InvalidRequestError) as refused:
            package(discounts=[{"promotion_code": made.id}])
        assert refused.value.code == "promotion_code_amount_insufficient"

    def test_is_not_met_by_a_trial(self, code: Callable[..., stripe.PromotionCode], plan: Open) -> None:
        code(restrictions=at_least(2900))
        trial = {"trial_period_days": 14}
        with pytest.raises(ParameterInvalid, match=TOO_LITTLE):
            type_in(plan(allow_promotion_codes=True, subscription_data=trial))
        assert type_in(plan(allow_promotion_codes=True))["amount_total"] == 1450

    def test_counts_when_a_subscription_begins_and_forbids_changing_one(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode]
    ) -> None:
        made = code(restrictions=at_least(3000))
        given: Any = [{"promotion_code": made.id}]
        with pytest.raises(stripe.InvalidRequestError, match="minimum amount requirement"):
            subscribe(client_of_stripe, discounts=given)
        large = subscribe(client_of_stripe, price=ENTERPRISE, discounts=given)
        assert latest_invoice(large.id)["amount_paid"] == 9950
        with pytest.raises(stripe.InvalidRequestError, match="on a subscription update"):
            client_of_stripe.v1.subscriptions.update(large.id, params={"discounts": given})

    def test_needs_its_currency(self, code: Callable[..., stripe.PromotionCode]) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="minimum_amount_currency"):
            code(restrictions={"minimum_amount": 900})


class TestCustomer:
    """https://docs.stripe.com/api/promotion_codes/create#create_promotion_code-customer"""

    def test_alone_may_redeem_their_code(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode], package: Open
    ) -> None:
        customers = client_of_stripe.v1.customers
        alice = customers.create(params={"email": "alice@example.com"})
        bob = customers.create(params={"email": "bob@example.com"})
        made = code(customer=alice.id)
        assert type_in(package(customer=alice.id, allow_promotion_codes=True))["amount_total"] == 450
        with pytest.raises(ParameterInvalid, match="This code is invalid"):
            type_in(package(customer=bob.id, allow_promotion_codes=True))
        with pytest.raises(stripe.InvalidRequestError) as refused:
            package(customer=bob.id, discounts=[{"promotion_code": made.id}])
        assert refused.value.code == "promotion_code_customer_mismatch"
        code(customer=bob.id)  # the same word for another customer
        assert type_in(package(customer=bob.id, allow_promotion_codes=True))["amount_total"] == 450

    def test_sees_their_price_in_a_preview(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode]
    ) -> None:
        subscription = subscribe(client_of_stripe)
        made = code(customer=subscription.customer)
        preview = client_of_stripe.v1.invoices.create_preview(
            params={"subscription": subscription.id, "discounts": [{"promotion_code": made.id}]}
        )
        assert preview.total == 1450


class TestWord:
    def test_means_one_code_in_whatever_case(self, code: Callable[..., stripe.PromotionCode]) -> None:
        code()
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            code(code="half")

    def test_can_be_used_again_once_its_code_is_off(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode]
    ) -> None:
        old = code()
        api = client_of_stripe.v1.promotion_codes
        api.update(old.id, params={"active": False})
        code()
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            api.update(old.id, params={"active": True})


class TestEnd:
    def test_of_a_code_comes_by_itself(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode], package: Open
    ) -> None:
        """https://docs.stripe.com/api/promotion_codes/create#create_promotion_code-expires_at"""
        ends = clock.now() + timedelta(hours=1)
        made = code(expires_at=store.timestamp(ends))
        session = package(allow_promotion_codes=True)
        assert timekeeping.pass_time(now=ends) == 1
        api = client_of_stripe.v1.promotion_codes
        assert not api.retrieve(made.id).active
        assert api.list(params={"active": True}).data == []
        with pytest.raises(ParameterInvalid, match="This code is invalid"):
            checkout.apply_promotion_code(session.id, "half", now=ends)

    def test_of_a_coupon_ends_its_codes(
        self, client_of_stripe: stripe.StripeClient, code: Callable[..., stripe.PromotionCode]
    ) -> None:
        """https://docs.stripe.com/api/promotion_codes/object#promotion_code_object-active"""
        ends = clock.now() + timedelta(hours=1)
        made = code(coupon={"redeem_by": store.timestamp(ends)})
        timekeeping.pass_time(now=ends)
        coupon: Any = made.promotion.coupon
        assert not client_of_stripe.v1.coupons.retrieve(coupon).valid
        assert not client_of_stripe.v1.promotion_codes.retrieve(made.id).active
        with pytest.raises(stripe.InvalidRequestError, match="cannot be activated"):
            client_of_stripe.v1.promotion_codes.update(made.id, params={"active": True})

    def test_comes_with_the_last_redemption(
        self, code: Callable[..., stripe.PromotionCode], package: Open, card: Card
    ) -> None:
        made = code(coupon={"max_redemptions": 2}, max_redemptions=1)
        session, late = package(allow_promotion_codes=True), package(allow_promotion_codes=True)
        type_in(session)
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert not store.get("promotion_code", made.id)["active"]
        with pytest.raises(ParameterInvalid, match="This code is invalid"):
            type_in(late)

    def test_before_the_payment_takes_the_discount_away_and_says_so(
        self,
        client_of_stripe: stripe.StripeClient,
        code: Callable[..., stripe.PromotionCode],
        package: Open,
        card: Card,
    ) -> None:
        made = code()
        session = package(allow_promotion_codes=True)
        type_in(session)
        client_of_stripe.v1.coupons.delete(made.promotion.coupon)  # type: ignore[arg-type]
        assert not store.get("promotion_code", made.id)["active"]
        told = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert (told.status, told.message) == ("invalid", "This promotion code has expired.")
        assert store.find("charge") == []
        assert checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now()).status == "complete"
        assert [charge["amount"] for charge in store.find("charge")] == [900]
        assert store.get("checkout.session", session.id)["discounts"] == []

    def test_comes_for_one_of_two_who_pay_with_the_last_redemption(
        self, code: Callable[..., stripe.PromotionCode], package: Open, card: Card
    ) -> None:
        made = code(max_redemptions=1)
        first, second = package(allow_promotion_codes=True), package(allow_promotion_codes=True)
        for session in (first, second):
            type_in(session)
        assert checkout.pay_with_card(session_id=first.id, card=card(), now=clock.now()).status == "complete"
        assert checkout.pay_with_card(session_id=second.id, card=card(), now=clock.now()).status == "invalid"
        assert store.get("promotion_code", made.id)["times_redeemed"] == 1
        assert store.get("checkout.session", second.id)["amount_total"] == 900

    @pytest.mark.parametrize(
        ("coupon", "params"),
        [
            ({"redeem_by": 4_000_000_000}, {"expires_at": 4_000_000_001}),
            ({"max_redemptions": 1}, {"max_redemptions": 2}),
            ({}, {"expires_at": 1}),
            ({}, {"customer": "cus_none"}),
        ],
    )
    def test_cannot_be_after_its_coupons(
        self, code: Callable[..., stripe.PromotionCode], coupon: dict[str, Any], params: dict[str, Any]
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            code(coupon=coupon, **params)
        assert store.find("promotion_code") == []


class TestAfterARefusedCard:
    """https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-amount_total"""

    @pytest.mark.parametrize(("percent", "charged"), [(50, [450]), (100, [])])
    def test_a_code_lowers_what_is_charged(
        self,
        client_of_stripe: stripe.StripeClient,
        code: Callable[..., stripe.PromotionCode],
        package: Open,
        card: Card,
        percent: int,
        charged: list[int],
    ) -> None:
        code(coupon={"percent_off": percent})
        session = package(allow_promotion_codes=True)
        refused = checkout.pay_with_card(session_id=session.id, card=card("4000000000000002"), now=clock.now())
        assert refused.status == "declined"
        type_in(session)
        paid = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert (paid.status, paid.session["amount_total"]) == ("complete", sum(charged))
        assert [charge["amount"] for charge in store.find("charge", status="succeeded")] == charged

    def test_its_removal_raises_it_again(
        self, code: Callable[..., stripe.PromotionCode], package: Open, card: Card
    ) -> None:
        code(coupon={"percent_off": 100})
        session = package(allow_promotion_codes=True)
        checkout.pay_with_card(session_id=session.id, card=card("4000000000000002"), now=clock.now())
        type_in(session)
        checkout.remove_promotion_code(session.id, now=clock.now())
        assert checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now()).status == "complete"
        assert [charge["amount"] for charge in store.find("charge", status="succeeded")] == [900]


class TestProducts:
    """https://docs.stripe.com/api/coupons/create#create_coupon-applies_to"""

    def test_alone_are_cheaper(self, client_of_stripe: stripe.StripeClient, package: Open) -> None:
        off = client_of_stripe.v1.coupons.create(params={"percent_off": 50, "applies_to": {"products": [PRO]}})
        api = client_of_stripe.v1.coupons
        assert "applies_to" not in api.retrieve(off.id)
        shown: Any = api.retrieve(off.id, params={"expand": ["applies_to"]}).applies_to
        assert shown.products == [PRO]
        subscription = subscribe(
            client_of_stripe, items=[{"price": MONTHLY}, {"price": ENTERPRISE}], discounts=[{"coupon": off.id}]
        )
        lines = latest_invoice(subscription.id)["lines"]["data"]
        assert [[part["amount"] for part in line["discount_amounts"]] for line in lines] == [[1450], []]

    def test_must_be_in_the_purchase(
        self,
        client_of_stripe: stripe.StripeClient,
        code: Callable[..., stripe.PromotionCode],
        package: Open,
        plan: Open,
    ) -> None:
        made = code(coupon={"applies_to": {"products": [PRO]}})
        with pytest.raises(ParameterInvalid, match=NOTHING):
            type_in(package(allow_promotion_codes=True))
        with pytest.raises(stripe.InvalidRequestError) as refused:
            package(discounts=[{"promotion_code": made.id}])
        assert refused.value.code == "coupon_applies_to_nothing"
        assert type_in(plan(allow_promotion_codes=True))["amount_total"] == 1450

    def test_need_not_be_in_a_subscription(self, client_of_stripe: stripe.StripeClient) -> None:
        """A subscription may be changed to what the coupon is for later."""
        off = client_of_stripe.v1.coupons.create(params={"percent_off": 50, "applies_to": {"products": [PRO]}})
        subscription = subscribe(client_of_stripe, price=ENTERPRISE, discounts=[{"coupon": off.id}])
        assert latest_invoice(subscription.id)["amount_paid"] == 19900

    def test_must_exist(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No such product"):
            client_of_stripe.v1.coupons.create(params={"percent_off": 50, "applies_to": {"products": ["prod_no"]}})


class TestCoupon:
    @pytest.mark.parametrize(
        "params",
        [
            {"percent_off": 0},
            {"percent_off": 101},
            {"amount_off": 0, "currency": "usd"},
            {"percent_off": 5, "duration": "repeating"},
            {"percent_off": 5, "duration_in_months": 3},
            {"percent_off": 5, "redeem_by": 1},
            {"percent_off": 5, "max_redemptions": 0},
        ],
    )
    def test_that_makes_no_sense_is_refused(self, client_of_stripe: stripe.StripeClient, params: Any) -> None:
        """https://docs.stripe.com/api/coupons/create"""
        with pytest.raises(stripe.InvalidRequestError):
            client_of_stripe.v1.coupons.create(params=params)
        assert store.find("coupon") == []

    def test_in_another_currency_is_refused(self, client_of_stripe: stripe.StripeClient, package: Open) -> None:
        """https://docs.stripe.com/api/coupons/create#create_coupon-currency"""
        off = client_of_stripe.v1.coupons.create(params={"amount_off": 100, "currency": "eur"})
        with pytest.raises(stripe.InvalidRequestError, match="in eur and the order in usd"):
            package(discounts=[{"coupon": off.id}])

    def test_leaves_its_id_to_another_once_deleted(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/api/coupons/create#create_coupon-id"""
        api = client_of_stripe.v1.coupons
        api.create(params={"id": "TEN", "percent_off": 10})
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.create(params={"id": "TEN", "percent_off": 20})
        assert refused.value.code == "resource_already_exists"
        api.delete("TEN")
        assert api.create(params={"id": "TEN", "percent_off": 20}).percent_off == 20

    def test_is_the_only_one_at_checkout(self, code: Callable[..., stripe.PromotionCode], package: Open) -> None:
        """https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-discounts"""
        made = code()
        with pytest.raises(stripe.InvalidRequestError, match="one discount"):
            package(discounts=[{"promotion_code": made.id}, {"promotion_code": made.id}])

    def test_is_not_taken_where_none_was_asked_for(
        self, code: Callable[..., stripe.PromotionCode], package: Open
    ) -> None:
        code()
        with pytest.raises(UnexpectedState, match="does not take promotion codes"):
            type_in(package())
