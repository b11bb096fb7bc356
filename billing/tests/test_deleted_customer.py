"""A customer that somebody deletes in Stripe's dashboard: the person goes on paying by another one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, selectors, services
from billing.models import Customer, PaidInvoice, Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.services import faults
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_personal_data.person import export_of
from billing.tests.test_refunds import balance, refund_at_stripe
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock
from smartspec.users.models import User

pytestmark = pytest.mark.django_db

RunJobs = Callable[..., int]


@pytest.fixture
def known_id(alice_client: APIClient, subscribe: Callable[..., str]) -> str:
    """Who Alice is at Stripe, where she bought credits and a plan."""
    pay(open_credits(alice_client))
    subscribe(alice_client)
    return str(Customer.objects.get().pk)


@pytest.fixture
def deleted_id(known_id: str) -> str:
    """The same, and somebody has deleted her there. We have not heard of it yet."""
    gateway.delete_customer(known_id)
    return known_id


def customer_id_of(user: User) -> str:
    return str(Customer.objects.get(user=user).pk)


def assert_pays_again(client: APIClient, run_jobs: RunJobs) -> None:
    pay(open_credits(client))
    pay(open_plan(client, "enterprise"))
    run_jobs()
    assert Purchase.objects.filter(state="fulfilled").count() == 2
    assert client.get("/api/payment/subscription").json()["plan"] == "enterprise"
    assert services.reconcile(now=clock.now()).remaining == 0


def test_is_replaced_when_we_hear_of_it(
    alice: User, alice_client: APIClient, deleted_id: str, run_jobs: RunJobs
) -> None:
    run_jobs()
    now_id = customer_id_of(alice)
    assert now_id != deleted_id
    assert store.get("customer", now_id)["email"] == alice.email
    assert (tier(alice), allowances(alice)) == ("free", [500])  # Stripe ends the plans of whom it forgets
    assert_pays_again(alice_client, run_jobs)
    assert customer_id_of(alice) == now_id


def test_is_replaced_by_the_next_checkout_when_we_did_not_hear(
    alice: User, alice_client: APIClient, known_id: str, run_jobs: RunJobs
) -> None:
    faults.add_fault("drop", event_type="customer.deleted")
    gateway.delete_customer(known_id)
    run_jobs()
    assert customer_id_of(alice) == known_id
    assert_pays_again(alice_client, run_jobs)
    assert customer_id_of(alice) != known_id


def test_is_named_and_replaced_by_the_daily_comparison(alice: User, deleted_id: str) -> None:
    ProcrastinateJob.objects.all().delete()
    found: list[str] = []
    services.reconcile(now=clock.now(), on_difference=lambda difference, _: found.append(difference.kind))
    assert "customer_deleted" in found
    assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
    assert customer_id_of(alice) != deleted_id
    assert services.reconcile(now=clock.now()).remaining == 0


def test_still_leads_to_earlier_payments(alice: User, deleted_id: str, run_jobs: RunJobs) -> None:
    run_jobs()
    assert selectors.find_user_of_stripe_id(stripe_id=deleted_id) == alice.pk
    had = balance(alice)
    refund_at_stripe(Purchase.objects.get().payment_intent_id)
    run_jobs()
    assert balance(alice) == had - 105
    PaidInvoice.objects.all().delete()  # a row that was lost
    found: list[str] = []
    services.reconcile(now=clock.now(), on_difference=lambda difference, _: found.append(difference.kind))
    assert "paid_not_granted" in found


def test_still_leads_the_comparison_of_one_person_to_what_the_former_one_paid(
    alice: User, alice_client: APIClient, known_id: str, run_jobs: RunJobs
) -> None:
    pay(open_credits(alice_client))
    ProcrastinateJob.objects.all().delete()
    gateway.delete_customer(known_id)
    run_jobs()
    assert customer_id_of(alice) != known_id
    assert services.reconcile(now=clock.now(), user_id=alice.pk).remaining == 1
    assert services.reconcile(now=clock.now(), user_id=alice.pk, is_repair=True).remaining == 0
    assert balance(alice) == 2 * 105  # of both packages; Stripe ends the plans of whom it forgets


def test_is_replaced_once(alice: User, deleted_id: str, run_jobs: RunJobs) -> None:
    run_jobs()
    now_id = customer_id_of(alice)
    assert services.replace_deleted(customer_id=deleted_id, now=clock.now()) is None
    assert services.replace_deleted(customer_id=now_id, now=clock.now()) is None  # nobody has deleted that one
    gateway.delete_customer(now_id)
    run_jobs()
    customer = Customer.objects.get()
    assert customer.former_ids == [deleted_id, now_id]


def test_is_not_replaced_when_the_person_was_erased(alice: User, alice_client: APIClient, run_jobs: RunJobs) -> None:
    pay(open_credits(alice_client))
    run_jobs()
    customer_id = customer_id_of(alice)
    assert alice_client.delete("/api/me").status_code == 204
    run_jobs(mirror=True)
    assert customer_id_of(alice) == customer_id


def test_leaves_no_copy_when_the_person_is_erased(
    alice: User, alice_client: APIClient, deleted_id: str, run_jobs: RunJobs
) -> None:
    run_jobs(mirror=True)
    pay(open_credits(alice_client))
    run_jobs(mirror=True)
    assert export_of(alice_client)["stripe_customer"]["former_ids"] == [deleted_id]
    assert alice_client.delete("/api/me").status_code == 204
    run_jobs(mirror=True)
    for model in selectors.mirrored_models("customer"):
        assert not model._default_manager.filter(customer__id=deleted_id).exists(), model


def test_is_not_replaced_when_our_key_is_of_an_account_that_never_had_them(
    alice: User, alice_client: APIClient, known_id: str
) -> None:
    never_there = "cus_of_another_account"
    with transaction.atomic():
        Customer.objects.update(id=never_there)
        Subscription.objects.update(customer_id=never_there)
    answer = alice_client.post("/api/payment/checkout/credits", {"credits_amount": 100})
    assert (answer.status_code, answer.json()["code"]) == (502, "stripe_object_missing")
    assert customer_id_of(alice) == never_there


class TestWhoIsReplacedByAWebhookInTheMiddle:
    """Stripe's refusal is for the old customer, and by then the user has the new one."""

    @pytest.fixture
    def replacing(self, deleted_id: str) -> Iterator[None]:
        """Let the webhook be heard when a request has read who the customer is, before Stripe refuses it."""
        heard: list[str] = []

        def hear(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            found = execute(sql, *rest)
            if not heard and sql.startswith("SELECT") and Customer._meta.db_table in sql:
                heard.append(deleted_id)
                services.replace_deleted(customer_id=deleted_id, now=clock.now())
            return found

        with connection.execute_wrapper(hear):
            yield
        assert heard

    @pytest.mark.parametrize("path", ["credits", "subscription"])
    def test_can_open_a_checkout(
        self, path: str, alice: User, alice_client: APIClient, deleted_id: str, replacing: None
    ) -> None:
        body = {"credits": {"credits_amount": 100}, "subscription": {"plan": "pro", "interval": "monthly"}}[path]
        answer = alice_client.post(f"/api/payment/checkout/{path}", body)
        assert answer.status_code == 200, answer.content
        assert store.get("checkout.session", answer.json()["session_id"])["customer"] == customer_id_of(alice)

    @pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
    def test_is_told_that_the_plan_has_ended(
        self, key: dict[str, str], alice_client: APIClient, deleted_id: str, replacing: None
    ) -> None:
        body = {"subscription_id": Subscription.objects.get().pk}
        answer = alice_client.post("/api/payment/subscription/cancel", body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (409, "subscription_ended")
        assert Customer.objects.get().changing_until is None
