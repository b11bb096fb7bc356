"""A database put back to an older backup has forgotten purchases; Stripe has not, and nothing that was paid is lost."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from rest_framework.test import APIClient

from billing import gateway
from billing.models import Purchase
from billing.sandbox import store
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_reconcile import assert_repairs, balance, kinds, lose_webhooks, run
from billing.tests.test_refunds import refund_at_stripe

pytestmark = pytest.mark.django_db


def forget(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    lose_webhooks()


class TestAForgottenPurchase:
    def test_is_made_again_from_what_stripe_was_told(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        purchase_id = Purchase.objects.get().pk
        pay(session_id)
        forget("billing_purchase")
        assert_repairs("unknown_purchase")
        found = Purchase.objects.get()
        assert (found.pk, found.state, found.credits, found.bonus_credits) == (purchase_id, "fulfilled", 100, 5)
        assert (found.price_cents, found.paid_cents, found.package_id) == (900, 900, "basic")
        assert balance(alice) == 105

    def test_of_a_custom_amount_is_made_again_as_well(self, alice: Any, alice_client: APIClient) -> None:
        pay(open_credits(alice_client, 137))
        forget("billing_purchase")
        assert run("--repair")[0] == 0
        assert balance(alice) == 137

    def test_is_fulfilled_once_however_often_it_is_heard_of(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        forget("billing_purchase")
        for _ in range(2):
            run("--repair")
            answer = alice_client.get(f"/api/payment/checkout/{session_id}").json()
            assert (answer["status"], answer["credits_granted"]) == ("fulfilled", 105)
        assert balance(alice) == 105

    def test_that_was_not_paid_stays_forgotten(self, alice_client: APIClient) -> None:
        open_credits(alice_client, 100)
        forget("billing_purchase")
        assert run("--repair")[0] == 0
        assert not Purchase.objects.exists()


class TestAPersonWhoSignedUpAfterTheBackup:
    def test_is_named_for_what_they_paid_until_it_is_refunded(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        forget("billing_purchase")
        session = store.get("checkout.session", session_id)
        unknown_id = str(uuid4())
        store.save(session | {"metadata": session["metadata"] | {"user_id": unknown_id}})

        code, found = run("--repair")
        assert (code, found["repaired"], found["remaining"]) == (1, 0, 1)
        (difference,) = found["differences"]
        assert (difference["kind"], difference["user_id"]) == ("unknown_user", unknown_id)
        assert f"900 cents paid by {session['customer']}" in difference["detail"]

        refund_at_stripe(session["payment_intent"])
        assert kinds() == []

    def test_is_none_of_ours_without_a_purchase_of_ours(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        forget("billing_purchase")
        store.save(store.get("checkout.session", session_id) | {"metadata": {"user_id": str(uuid4())}})
        assert kinds() == []

    def test_is_named_for_the_plan_they_pay_for_until_it_is_cancelled(self, alice_client: APIClient) -> None:
        pay(open_plan(alice_client))
        forget("billing_subscriptioncheckout")
        forget("billing_customer")
        (subscription,), unknown_id = store.find("subscription"), str(uuid4())
        for thing in (subscription, store.get("customer", subscription["customer"])):
            store.save(thing | {"metadata": thing["metadata"] | {"user_id": unknown_id}})

        code, found = run("--repair")
        assert (code, found["repaired"], found["remaining"]) == (1, 0, 1)
        (difference,) = found["differences"]
        assert (difference["kind"], difference["user_id"]) == ("unknown_user", unknown_id)
        assert f"active, charged to {subscription['customer']}" in difference["detail"]

        gateway.cancel_subscription(subscription["id"])
        assert kinds() == []


def test_a_forgotten_plan_beside_a_new_customer_is_named_until_it_is_cancelled(
    alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
) -> None:
    pay(open_plan(alice_client))
    forget("billing_subscriptioncheckout")
    forget("billing_customer")
    (subscription,) = store.find("subscription")
    alice.name = "Alice Doe"  # or a day has passed: Stripe makes another customer
    alice.save()
    pay(open_credits(alice_client, 100))
    run_jobs()

    code, found = run("--repair")
    assert (code, found["repaired"], found["remaining"]) == (1, 0, 1)
    (difference,) = found["differences"]
    assert (difference["kind"], difference["object_id"]) == ("second_customer", subscription["id"])
    assert difference["user_id"] == str(alice.pk)
    assert f"active, charged to {subscription['customer']}" in difference["detail"]

    gateway.cancel_subscription(subscription["id"])
    assert kinds() == []


def test_a_forgotten_subscription_is_found_by_its_customer(alice: Any, alice_client: APIClient) -> None:
    pay(open_plan(alice_client))
    forget("billing_subscriptioncheckout")
    forget("billing_customer")
    assert run("--repair")[0] == 0
    assert alice_client.get("/api/payment/subscription").json()["plan"] == "pro"
    assert balance(alice) == 500
