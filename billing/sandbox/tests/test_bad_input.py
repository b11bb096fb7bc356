"""What cannot be: Stripe's error by name, and nothing changed.

https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe
from django.conf import settings
from django.test import Client

from billing.sandbox import store
from billing.sandbox.api.parameters import ANYTHING, descriptions
from billing.sandbox.api.routes import ROUTES
from billing.sandbox.client import build_client
from billing.sandbox.models import StoredObject
from billing.sandbox.seed import seed
from billing.sandbox.services import checkout
from smartspec import clock
from smartspec.tests.threads import at_once

Open = Callable[..., stripe.checkout.Session]
Card = Callable[..., checkout.CardFields]

PRO, ENTERPRISE = "price_smartspec_pro_monthly", "price_smartspec_enterprise_monthly"
NAMING_ROUTES = [route for route in ROUTES if "{" in route.path]
# What a call needs beside what stripe-python marks as required, so that the id is all that is wrong with it.
NEEDED = {
    "/v1/payment_intents/{id}/confirm": {"payment_method": "pm_card_visa"},
    "/v1/setup_intents/{id}/confirm": {"payment_method": "pm_card_visa"},
}


def everything() -> list[tuple[str, Any]]:
    return list(StoredObject.objects.order_by("number").values_list("id", "data"))


class TestUnknownIds:
    @pytest.mark.parametrize("route", NAMING_ROUTES, ids=lambda route: f"{route.method} {route.path}")
    def test_are_404_and_change_nothing(
        self, client_of_stripe: stripe.StripeClient, client: Client, route: Any
    ) -> None:
        known = {"/v1/payment_methods/{id}/attach": {"customer": client_of_stripe.v1.customers.create({}).id}}
        before = everything()
        params = dict((NEEDED | known).get(route.path, {})) if route.method == "POST" else {}
        if route.parameters not in (None, ANYTHING):
            params |= dict.fromkeys(descriptions()[route.parameters].get("required", ()), "5")
        url = "/sandbox/stripe" + re.sub(r"\{\w+\}", "xx_unknown", route.path)
        answer = client.generic(
            route.method,
            url if route.method == "POST" else f"{url}?{urlencode(params)}",
            urlencode(params) if route.method == "POST" else "",
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": "Bearer sk_test_123"},
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "resource_missing"), error
        assert "No such" in error["message"]
        assert everything() == before


@pytest.fixture
def subscription(client_of_stripe: stripe.StripeClient, plan: Open, card: Card) -> Any:
    session = plan()
    checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
    stored: Any = client_of_stripe.v1.checkout.sessions.retrieve(session.id, params={"expand": ["subscription"]})
    return stored.subscription


class TestTestClocks:
    """https://docs.stripe.com/billing/testing/test-clocks"""

    @pytest.mark.parametrize("seconds", [-1, 0])
    def test_go_forward_only(self, client_of_stripe: stripe.StripeClient, seconds: int) -> None:
        api = client_of_stripe.v1.test_helpers.test_clocks
        made = api.create({"frozen_time": 1_800_000_000})
        before = everything()
        with pytest.raises(stripe.InvalidRequestError) as raised:
            api.advance(made.id, {"frozen_time": 1_800_000_000 + seconds})
        assert (raised.value.http_status, raised.value.param) == (400, "frozen_time")
        assert everything() == before


class TestAnEndedSubscription:
    """https://docs.stripe.com/billing/subscriptions/cancel"""

    @pytest.mark.parametrize(
        "params",
        [
            {"items": [{"price": ENTERPRISE}]},
            {"cancel_at_period_end": True},
            {"cancel_at_period_end": False},
            {"default_payment_method": "pm_card_visa"},
            {"trial_end": "now"},
        ],
        ids=lambda params: next(iter(params)),
    )
    def test_is_not_changed(self, client_of_stripe: stripe.StripeClient, subscription: Any, params: Any) -> None:
        api = client_of_stripe.v1.subscriptions
        api.cancel(subscription.id)
        before = everything()
        with pytest.raises(stripe.InvalidRequestError, match="can only update its cancellation_details and metadata"):
            api.update(subscription.id, params)
        assert everything() == before

    def test_is_not_ended_or_scheduled_again(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        api = client_of_stripe.v1
        api.subscriptions.cancel(subscription.id)
        before = everything()
        with pytest.raises(stripe.InvalidRequestError, match="No such subscription") as raised:
            api.subscriptions.cancel(subscription.id)
        assert raised.value.http_status == 404
        with pytest.raises(stripe.InvalidRequestError, match="in status canceled"):
            api.subscription_schedules.create({"from_subscription": subscription.id})
        assert everything() == before


class TestTheSamePlan:
    """https://docs.stripe.com/billing/subscriptions/prorations"""

    def test_bills_nothing_and_says_nothing(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        before = everything()
        item = subscription["items"].data[0].id
        same: Any = {"items": [{"id": item, "price": PRO, "quantity": 1}], "proration_behavior": "always_invoice"}
        assert client_of_stripe.v1.subscriptions.update(subscription.id, same).id == subscription.id
        assert everything() == before

    def test_beside_itself_is_refused(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        before = everything()
        with pytest.raises(stripe.InvalidRequestError, match="already using that Price"):
            client_of_stripe.v1.subscriptions.update(subscription.id, {"items": [{"price": PRO}]})
        assert everything() == before


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    """Two connections, two transactions: https://docs.stripe.com/rate-limits"""

    def subscribe(self) -> tuple[stripe.StripeClient, Any]:
        seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")
        client = build_client(settings.STRIPE_SECRET_KEY)
        customer = client.v1.customers.create({})
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        made = client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": PRO}], "default_payment_method": method.id}
        )
        return client, made

    def test_changes_of_one_subscription_are_one_after_the_other(self) -> None:
        client, made = self.subscribe()
        item = made["items"].data[0].id
        change: Any = {"items": [{"id": item, "price": ENTERPRISE}], "proration_behavior": "always_invoice"}
        results = at_once(2, lambda _: client.v1.subscriptions.update(made.id, change), refusal=stripe.StripeError)
        assert [one["items"].data[0].price.id for one in results] == [ENTERPRISE, ENTERPRISE]
        assert len(store.find("invoice", subscription=made.id)) == 2  # the first month, and the change once

    def test_one_of_two_schedules_is_refused(self) -> None:
        client, made = self.subscribe()
        create = client.v1.subscription_schedules.create
        results = at_once(2, lambda _: create({"from_subscription": made.id}), refusal=stripe.StripeError)
        (refused,) = [one for one in results if isinstance(one, stripe.StripeError)]
        assert "already attached to a schedule" in str(refused.user_message)
        (schedule,) = store.find("subscription_schedule")
        assert store.get("subscription", made.id)["schedule"] == schedule["id"]

    def test_one_of_two_ends_finds_it_ended(self) -> None:
        client, made = self.subscribe()
        results = at_once(2, lambda _: client.v1.subscriptions.cancel(made.id), refusal=stripe.StripeError)
        (refused,) = [one for one in results if isinstance(one, stripe.StripeError)]
        assert (refused.http_status, refused.code) == (404, "resource_missing")
        assert len(store.find("event", name="customer.subscription.deleted")) == 1
