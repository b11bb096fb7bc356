"""A database put back to an older backup has forgotten purchases; Stripe has not, and nothing that was paid is lost."""

from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_reconcile import assert_repairs, balance, lose_webhooks, run

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


def test_a_forgotten_subscription_is_found_by_its_customer(alice: Any, alice_client: APIClient) -> None:
    pay(open_plan(alice_client))
    forget("billing_subscriptioncheckout")
    forget("billing_customer")
    assert run("--repair")[0] == 0
    assert alice_client.get("/api/payment/subscription").json()["plan"] == "pro"
    assert balance(alice) == 500
