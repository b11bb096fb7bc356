"""Every object that the sandbox emits agrees with stripe-python's annotations of its class.

https://docs.stripe.com/api/expanding_objects
"""

import json
import typing
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.api.honoured import HONOURED
from billing.sandbox.models import StoredObject
from billing.sandbox.services import checkout
from billing.sandbox.tests.annotations import find_faults
from billing.sandbox.tests.stripe_parameters import PARAMETERS, read_parameters
from billing.sandbox.tests.whole_life import live_through_everything
from smartspec import clock


class TestShapes:
    def test_every_object_agrees_with_its_class(self, client_of_stripe: stripe.StripeClient) -> None:
        live_through_everything(client_of_stripe)
        faults = set()
        kinds = set()
        for row in StoredObject.objects.all():
            kinds.add(row.kind)
            data = row.data["data"]["object"] if row.kind == "event" else row.data
            faults.update(find_faults(data))
            if row.kind == "event":
                faults.update(find_faults(row.data))
        assert not faults, "\n".join(sorted(faults))
        assert {row.name for row in store.rows("event")} <= set(typing.get_args(stripe.Event.__annotations__["type"]))
        assert kinds >= {
            "account",
            "balance_transaction",
            "billing_portal.configuration",
            "billing_portal.session",
            "charge",
            "checkout.session",
            "coupon",
            "customer",
            "customer_balance_transaction",
            "discount",
            "dispute",
            "event",
            "invoice",
            "invoice_payment",
            "invoiceitem",
            "payment_intent",
            "payment_method",
            "price",
            "product",
            "promotion_code",
            "refund",
            "setup_intent",
            "subscription",
            "subscription_item",
            "subscription_schedule",
            "test_helpers.test_clock",
            "webhook_endpoint",
        }

    def test_expanded_answers_agree_too(
        self,
        client_of_stripe: stripe.StripeClient,
        plan: Callable[..., stripe.checkout.Session],
        card: Callable[..., checkout.CardFields],
    ) -> None:
        session = plan()
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        answer = client_of_stripe.v1.checkout.sessions.retrieve(
            session.id,
            params={
                "expand": [
                    "line_items",
                    "customer.sources",
                    "customer.subscriptions",
                    "subscription.items.data.price",
                    "invoice.payments.data.payment",
                    "invoice.confirmation_secret",
                    "total_details.breakdown",
                ]
            },
        )
        response: Any = answer.last_response
        assert find_faults(response.data) == []


class TestParameters:
    def test_are_those_of_the_installed_library(self) -> None:
        assert json.loads(PARAMETERS.read_text()) == json.loads(json.dumps(read_parameters(HONOURED)))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"object": "product_feature", "id": "f", "livemode": False}, "entitlement_feature: missing"),
        ({"object": "product_feature", "id": 1, "livemode": False}, "1 is no str"),
        ({"object": "product_feature", "colour": "red"}, "unknown field"),
    ],
)
def test_the_walk_finds_what_is_wrong(data: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in find_faults(data))
