"""Events reach webhook endpoints: signed, in the transaction of the change, and again until they are taken.

https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import stripe
from django.db import transaction
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.sandbox import delivery, store
from billing.sandbox.models import Delivery
from billing.sandbox.seed import ENDPOINT_ID
from billing.sandbox.services import customers, deliveries, endpoints
from smartspec import clock

RECEIVED: list[tuple[str, Mapping[str, str], bytes]] = []
ANSWERS: list[int] = []


def receive(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """A transport that keeps what it is given and answers as told, else 200."""
    RECEIVED.append((url, headers, body))
    return (ANSWERS.pop(0) if ANSWERS else 200), "answer"


@pytest.fixture(autouse=True)
def transport(settings: Any) -> None:
    RECEIVED.clear()
    ANSWERS.clear()
    settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.tests.test_deliveries.receive"


def waiting() -> list[ProcrastinateJob]:
    jobs = ProcrastinateJob.objects.filter(task_name="billing.sandbox.tasks.deliver_event", status="todo")
    return list(jobs.order_by("id"))


@pytest.mark.usefixtures("sandbox")
class TestDelivery:
    """https://docs.stripe.com/webhooks/signatures"""

    def attempt(self) -> bool:
        return deliveries.attempt(delivery_id=Delivery.objects.get().pk, now=clock.now())

    def test_is_signed_so_that_stripes_library_accepts_it(self, settings: Any) -> None:
        customer = customers.create_customer({"email": "a@example.com"}, now=clock.now())
        assert self.attempt()
        url, headers, body = RECEIVED[0]
        assert url == f"{settings.SITE_URL}/api/webhooks/stripe"
        secret = settings.STRIPE_WEBHOOK_SECRETS[0]
        event: Any = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret)
        assert (event.type, event.data.object.id) == ("customer.created", customer["id"])
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", headers["Stripe-Signature"], secret)

    def test_is_queued_in_the_transaction_of_the_change(self) -> None:
        with transaction.atomic():
            customers.create_customer({}, now=clock.now())
            assert len(waiting()) == 1
            transaction.set_rollback(True)
        assert waiting() == []
        assert Delivery.objects.count() == 0

    def test_is_tried_again_with_growing_distance(self) -> None:
        customers.create_customer({}, now=clock.now())
        ANSWERS.extend([500, 0])
        assert not self.attempt()
        assert not self.attempt()
        tried = Delivery.objects.get()
        assert (tried.state, tried.attempts, tried.latest_answer) == ("waiting", 2, "answer")
        first, second, third = waiting()
        assert first.scheduled_at is None
        assert second.scheduled_at is not None
        assert third.scheduled_at is not None
        assert (third.scheduled_at - second.scheduled_at).total_seconds() > 30
        event = store.find("event", name="customer.created")[0]
        assert event["pending_webhooks"] == 1
        assert self.attempt()
        assert Delivery.objects.get().state == "delivered"
        assert store.find("event", name="customer.created")[0]["pending_webhooks"] == 0

    def test_is_given_up_after_three_days(self) -> None:
        customers.create_customer({}, now=clock.now())
        ANSWERS.extend([500] * 20)
        tries = len(deliveries.BACKOFF_SECONDS) + 1
        for _ in range(tries):
            self.attempt()
        assert Delivery.objects.get().state == "given_up"
        assert 2 * 86400 < sum(deliveries.BACKOFF_SECONDS) <= 3 * 86400
        self.attempt()
        assert len(RECEIVED) == tries

    def test_goes_only_where_the_type_is_wanted(self) -> None:
        endpoints.update_endpoint(ENDPOINT_ID, {"enabled_events": ["invoice.paid"]}, now=clock.now())
        customers.create_customer({}, now=clock.now())
        assert Delivery.objects.count() == 0
        assert store.find("event", name="customer.created")[0]["pending_webhooks"] == 0

    def test_a_second_endpoint_has_a_secret_of_its_own(self, client_of_stripe: stripe.StripeClient) -> None:
        made = client_of_stripe.v1.webhook_endpoints.create(
            params={"url": "https://example.com/hook", "enabled_events": ["customer.created"]}
        )
        assert made.secret is not None
        assert "secret" not in client_of_stripe.v1.webhook_endpoints.retrieve(made.id)
        customers.create_customer({}, now=clock.now())
        for waiting_delivery in Delivery.objects.filter(endpoint__id=made.id):
            deliveries.attempt(delivery_id=waiting_delivery.pk, now=clock.now())
        _, headers, body = RECEIVED[0]
        assert stripe.Webhook.construct_event(body, headers["Stripe-Signature"], made.secret)


class TestTransports:
    def test_http_without_a_server_is_no_answer(self) -> None:
        status, answer = delivery.post_over_http("http://127.0.0.1:9/hook", {}, b"{}")
        assert status == 0
        assert answer

    def test_by_the_shortest_way_reaches_this_server_though_it_does_not_run(self, db: None, settings: Any) -> None:
        path = reverse("stripe_sandbox_api", kwargs={"path": "v1/customers"})
        json_type = {"Content-Type": "application/json"}
        assert delivery.post_by_shortest_way(f"{settings.SITE_URL}{path}", json_type, b"{}")[0] == 401
        assert delivery.post_by_shortest_way("http://127.0.0.1:9/hook", {}, b"{}")[0] == 0

    def test_in_process_reaches_the_view_of_the_path(self, db: None, client: Client) -> None:
        path = reverse("stripe_sandbox_api", kwargs={"path": "v1/customers"})
        status, answer = delivery.post_in_process(
            f"http://localhost{path}", {"Content-Type": "application/json"}, b"{}"
        )
        assert status == 401
        assert "error" in json.loads(answer)
