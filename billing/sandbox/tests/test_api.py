"""What Stripe's HTTP API promises to every call, seen through stripe-python and through plain requests."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.test import Client

from billing.sandbox import store
from billing.sandbox.api import dispatch
from billing.sandbox.models import IdempotentRequest
from billing.sandbox.services import checkout
from billing.sandbox.tests.conftest import emitted_types
from smartspec import clock

BASE = "/sandbox/stripe/v1"
BEARER = {"Authorization": "Bearer sk_test_abc123"}
FORM = "application/x-www-form-urlencoded"
Open = Callable[..., stripe.checkout.Session]
Card = Callable[..., checkout.CardFields]


class TestKeys:
    """https://docs.stripe.com/api/authentication"""

    def test_takes_any_test_key_as_bearer_or_basic(self, sandbox: None, client: Client) -> None:
        assert client.get(f"{BASE}/customers", headers=BEARER).status_code == 200
        basic = base64.b64encode(b"sk_test_abc123:").decode()
        assert client.get(f"{BASE}/customers", headers={"Authorization": f"Basic {basic}"}).status_code == 200

    @pytest.mark.parametrize("value", ["", "Bearer sk_live_abc123", "Bearer nonsense", "Basic !!!"])
    def test_refuses_others(self, sandbox: None, client: Client, value: str) -> None:
        answer = client.get(f"{BASE}/customers", headers={"Authorization": value} if value else {})
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"


class TestHeaders:
    """https://docs.stripe.com/api/request_ids"""

    def test_every_answer_has_a_request_id_and_takes_an_account(self, sandbox: None, client: Client) -> None:
        headers = {**BEARER, "Stripe-Account": "acct_1SmartSpecSandbox", "Stripe-Version": "2026-08-26.dahlia"}
        answer = client.get(f"{BASE}/customers", headers=headers)
        assert answer["Request-Id"].startswith("req_")
        assert answer["Stripe-Version"] == "2026-08-26.dahlia"
        assert client.get(f"{BASE}/customers/cus_x", headers=headers)["Request-Id"].startswith("req_")


class TestErrors:
    """https://docs.stripe.com/api/errors"""

    def test_an_unknown_object_is_404_resource_missing(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.customers.retrieve("cus_unknown")
        assert (raised.value.http_status, raised.value.code) == (404, "resource_missing")
        assert raised.value.user_message == "No such customer: 'cus_unknown'"

    def test_an_unknown_object_in_a_parameter_is_400(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.billing_portal.sessions.create(params={"customer": "cus_unknown"})
        error = raised.value
        assert (error.http_status, error.code, error.param) == (400, "resource_missing", "customer")

    @pytest.mark.parametrize(
        ("path", "body", "code", "param"),
        [
            ("customers", "colour=red", "parameter_unknown", "colour"),
            ("customers", "address[planet]=mars", "parameter_unknown", "address[planet]"),
            ("prices", "unit_amount=5&product=p", "parameter_missing", "currency"),
            ("prices", "currency=usd&unit_amount=five&product=p", "parameter_invalid_integer", "unit_amount"),
            ("checkout/sessions", "mode=gift&success_url=https://e.com", None, "mode"),
            ("checkout/sessions", "mode=payment&success_url=https://e.com", "parameter_missing", "line_items"),
            ("customers", "metadata[k]=" + "x" * 501, None, "metadata[k]"),
        ],
    )
    def test_a_bad_parameter_is_named(
        self, sandbox: None, client: Client, path: str, body: str, code: str | None, param: str
    ) -> None:
        answer = client.post(f"{BASE}/{path}", data=body, content_type=FORM, headers=BEARER)
        error = answer.json()["error"]
        assert (answer.status_code, error.get("code"), error["param"]) == (400, code, param)
        assert error["message"]

    def test_an_unknown_path_is_404(self, sandbox: None, client: Client) -> None:
        answer = client.get(f"{BASE}/unicorns", headers=BEARER)
        assert answer.status_code == 404
        assert "Unrecognized request URL (GET: /v1/unicorns)" in answer.json()["error"]["message"]

    def test_a_declined_card_is_402_and_leaves_its_charge(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.CardError) as raised:
            client_of_stripe.v1.payment_intents.create(
                params={
                    "amount": 1000,
                    "currency": "usd",
                    "payment_method": "pm_card_chargeDeclinedInsufficientFunds",
                    "confirm": True,
                }
            )
        error: Any = raised.value
        assert (error.http_status, error.code) == (402, "card_declined")
        assert error.error.decline_code == "insufficient_funds"
        assert error.user_message == "Your card has insufficient funds."
        assert store.find("charge")[0]["status"] == "failed"
        assert "payment_intent.payment_failed" in emitted_types()

    def test_any_other_error_leaves_nothing(self, client_of_stripe: stripe.StripeClient) -> None:
        before = store.rows("event").count()
        with pytest.raises(stripe.InvalidRequestError):
            client_of_stripe.v1.customers.create(params={"email": "a@b.c", "payment_method": "pm_unknown"})
        assert store.rows("customer").count() == 0
        assert store.rows("event").count() == before


class TestIdempotency:
    """https://docs.stripe.com/api/idempotent_requests"""

    def test_the_same_request_gets_the_first_answer(self, client_of_stripe: stripe.StripeClient) -> None:
        params: Any = {"email": "a@example.com", "metadata": {"a": "1"}}
        made = [
            client_of_stripe.v1.customers.create(params=params, options={"idempotency_key": "k1"}) for _ in range(2)
        ]
        assert made[0].id == made[1].id
        assert store.rows("customer").count() == 1
        response: Any = made[1].last_response
        assert response.headers["Idempotent-Replayed"] == "true"

    def test_other_parameters_are_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        create = client_of_stripe.v1.customers.create
        create(params={"email": "a@example.com"}, options={"idempotency_key": "k1"})
        with pytest.raises(stripe.IdempotencyError) as raised:
            create(params={"email": "b@example.com"}, options={"idempotency_key": "k1"})
        assert raised.value.http_status == 400

    def test_a_declined_card_is_remembered_too(self, client_of_stripe: stripe.StripeClient) -> None:
        params: Any = {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_chargeDeclined",
            "confirm": True,
        }
        for _ in range(2):
            with pytest.raises(stripe.CardError):
                client_of_stripe.v1.payment_intents.create(params=params, options={"idempotency_key": "k1"})
        assert store.rows("charge").count() == 1

    def test_a_key_is_forgotten_after_a_day(self, client_of_stripe: stripe.StripeClient) -> None:
        create = client_of_stripe.v1.customers.create
        first = create(params={"email": "a@example.com"}, options={"idempotency_key": "k1"})
        IdempotentRequest.objects.update(created_at=clock.now() - timedelta(hours=24))
        assert create(params={"email": "a@example.com"}, options={"idempotency_key": "k1"}).id != first.id

    def test_what_was_not_begun_may_be_asked_again(self, client_of_stripe: stripe.StripeClient) -> None:
        create: Any = client_of_stripe.v1.payment_intents.create
        with pytest.raises(stripe.InvalidRequestError, match="integer"):
            create(params={"amount": "abc", "currency": "usd"}, options={"idempotency_key": "k1"})
        assert create(params={"amount": 1000, "currency": "usd"}, options={"idempotency_key": "k1"}).amount == 1000


class TestLists:
    """https://docs.stripe.com/api/pagination"""

    def test_pages_forwards_and_backwards(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.customers
        made = [api.create(params={"email": f"{index}@example.com"}).id for index in range(5)][::-1]
        first = api.list(params={"limit": 2})
        assert ([item.id for item in first.data], first.has_more, first.url) == (made[:2], True, "/v1/customers")
        second = api.list(params={"limit": 2, "starting_after": made[1]})
        assert ([item.id for item in second.data], second.has_more) == (made[2:4], True)
        last = api.list(params={"limit": 2, "starting_after": made[3]})
        assert ([item.id for item in last.data], last.has_more) == (made[4:], False)
        back = api.list(params={"limit": 2, "ending_before": made[3]})
        assert ([item.id for item in back.data], back.has_more) == (made[1:3], True)
        assert [item.id for item in api.list(params={"limit": 2}).auto_paging_iter()] == made

    def test_filters(self, client_of_stripe: stripe.StripeClient, plan: Open, package: Open, card: Card) -> None:
        api = client_of_stripe.v1
        bought, subscribed = package(), plan()
        for session in (bought, subscribed):
            checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        subscription: Any = api.checkout.sessions.retrieve(subscribed.id).subscription
        found = api.checkout.sessions.list(params={"subscription": subscription}).data
        assert [session.id for session in found] == [subscribed.id]
        intent: Any = api.checkout.sessions.retrieve(bought.id).payment_intent
        found = api.checkout.sessions.list(params={"payment_intent": intent}).data
        assert [session.id for session in found] == [bought.id]
        payments = api.invoice_payments.list(params={"payment": {"type": "payment_intent", "payment_intent": intent}})
        assert len(payments.data) == 1
        assert api.prices.list(params={"lookup_keys": ["smartspec_pro_yearly"]}).data[0].unit_amount == 29000
        assert api.events.list(params={"type": "checkout.session.*"}).data[0].type == "checkout.session.completed"
        invoices = api.invoices.list(params={"subscription": subscription, "status": "paid"}).data
        assert len(invoices) == 1
        future = int(clock.now().timestamp()) + 3600
        assert api.charges.list(params={"created": {"gte": future}}).data == []

    @pytest.mark.parametrize("limit", ["0", "101", "many"])
    def test_refuses_a_limit_that_cannot_be(self, sandbox: None, client: Client, limit: str) -> None:
        answer = client.get(f"{BASE}/customers?limit={limit}", headers=BEARER)
        assert answer.json()["error"]["param"] == "limit"


class TestExpand:
    """https://docs.stripe.com/api/expanding_objects"""

    def test_reaches_into_lists(self, client_of_stripe: stripe.StripeClient, package: Open, card: Card) -> None:
        session = package()
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        found: Any = client_of_stripe.v1.checkout.sessions.list(
            params={"expand": ["data.payment_intent.latest_charge", "data.customer"]}
        ).data[0]
        assert found.payment_intent.latest_charge.paid
        assert found.customer.email == "alice@example.com"

    @pytest.mark.parametrize("path", ["colour", "email", "a.b.c.d.e"])
    def test_refuses_what_cannot_be_expanded(self, client_of_stripe: stripe.StripeClient, path: str) -> None:
        customer = client_of_stripe.v1.customers.create(params={"email": "a@example.com"})
        with pytest.raises(stripe.InvalidRequestError, match="cannot"):
            client_of_stripe.v1.customers.retrieve(customer.id, params={"expand": [path]})


class TestCustomers:
    """https://docs.stripe.com/api/metadata"""

    def test_metadata_is_merged_and_emptied(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.customers
        customer = api.create(params={"metadata": {"a": "1", "b": "2"}})
        changed = api.update(customer.id, params={"metadata": {"a": "", "c": "3"}})
        assert changed.metadata is not None
        assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
        event = store.find("event", name="customer.updated")[0]
        assert event["data"]["previous_attributes"] == {"metadata": {"a": "1", "c": None}}

    def test_a_deleted_one_says_so(self, client_of_stripe: stripe.StripeClient) -> None:
        api = client_of_stripe.v1.customers
        customer = api.create(params={})
        api.delete(customer.id)
        assert api.retrieve(customer.id).deleted is True


class TestExpiry:
    """https://docs.stripe.com/api/checkout/sessions/expire"""

    def test_a_session_expires_after_a_day(self, package: Open) -> None:
        session = package()
        later = clock.now() + timedelta(hours=24, seconds=1)
        answered = dispatch.answer(
            method="GET", url=f"/v1/checkout/sessions/{session.id}", headers=BEARER, body="", now=later
        )
        assert '"status": "expired"' in answered.body
        assert emitted_types()[-1] == "checkout.session.expired"

    def test_time_expires_it_without_anyone_asking(self, package: Open) -> None:
        from billing.sandbox.services import timekeeping

        session = package()
        assert timekeeping.pass_time(now=clock.now() + timedelta(hours=23)) == 0
        assert timekeeping.pass_time(now=clock.now() + timedelta(hours=25)) == 1
        assert store.get("checkout.session", session.id)["status"] == "expired"

    def test_an_expired_session_cannot_be_paid_or_expired(
        self, client_of_stripe: stripe.StripeClient, package: Open, card: Card
    ) -> None:
        session = package()
        client_of_stripe.v1.checkout.sessions.expire(session.id)
        with pytest.raises(stripe.InvalidRequestError, match="status of `expired`"):
            client_of_stripe.v1.checkout.sessions.expire(session.id)
        with pytest.raises(Exception, match="has expired"):
            checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())

    @pytest.mark.parametrize("minutes", [10, 60 * 25])
    def test_refuses_a_time_outside_of_30_minutes_and_24_hours(self, package: Open, minutes: int) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="expires_at"):
            package(expires_at=int(clock.now().timestamp()) + minutes * 60)
