"""Two at the same time have one effect.

https://docs.stripe.com/api/idempotent_requests
"""

import json
from typing import Any

import pytest
from django.conf import settings

from billing.sandbox import store
from billing.sandbox.api import dispatch
from billing.sandbox.errors import StripeError
from billing.sandbox.seed import seed
from billing.sandbox.services import checkout
from billing.sandbox.tests.whole_life import CARD
from smartspec import clock
from smartspec.tests.threads import at_once

PACKAGE = (
    "mode=payment&success_url=https://example.com&customer_email=a@example.com&line_items[0][quantity]=1"
    "&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=900"
    "&line_items[0][price_data][product_data][name]=Credits&invoice_creation[enabled]=true"
)


def post(path: str, body: str, **headers: str) -> dict[str, Any]:
    answered = dispatch.answer(
        method="POST",
        url=f"/v1/{path}",
        headers={"Authorization": "Bearer sk_test_x", **headers},
        body=body,
        now=clock.now(),
    )
    parsed: dict[str, Any] = json.loads(answered.body)
    return parsed


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_a_session_is_paid_once(self) -> None:
        seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
        session = post("checkout/sessions", PACKAGE)
        outcomes = at_once(
            4,
            lambda _: checkout.pay_with_card(session_id=session["id"], card=CARD, now=clock.now()),
            refusal=StripeError,
        )
        paid = [outcome for outcome in outcomes if isinstance(outcome, checkout.PaymentOutcome)]
        assert [outcome.status for outcome in paid] == ["complete"]
        assert store.rows("charge").count() == 1
        assert store.rows("event", name="checkout.session.completed").count() == 1

    def test_a_codes_last_redemption_is_one_payers(self) -> None:
        """https://docs.stripe.com/api/promotion_codes/create#create_promotion_code-max_redemptions"""
        seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
        coupon = post("coupons", "percent_off=50")
        last = post(
            "promotion_codes", f"promotion[type]=coupon&promotion[coupon]={coupon['id']}&code=LAST&max_redemptions=1"
        )
        waiting = [post("checkout/sessions", f"{PACKAGE}&allow_promotion_codes=true")["id"] for _ in range(4)]
        for session_id in waiting:
            checkout.apply_promotion_code(session_id, "last", now=clock.now())
        outcomes = at_once(
            4,
            lambda _: checkout.pay_with_card(session_id=waiting.pop(), card=CARD, now=clock.now()),
            refusal=StripeError,
        )
        assert sorted(outcome.status for outcome in outcomes) == ["complete", "invalid", "invalid", "invalid"]
        assert [charge["amount"] for charge in store.find("charge")] == [450]
        assert store.get("promotion_code", last["id"])["times_redeemed"] == 1

    def test_an_idempotency_key_has_one_effect(self) -> None:
        answers = at_once(
            4, lambda _: post("customers", "email=a@example.com", **{"Idempotency-Key": "k1"}), refusal=StripeError
        )
        assert len({answer["id"] for answer in answers}) == 1
        assert store.rows("customer").count() == 1
