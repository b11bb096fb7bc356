"""Lost webhooks, and books that differ: one run finds it, and with --repair puts it right."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import (
    Clawback,
    Customer,
    PaidInvoice,
    Purchase,
    ReconcileRun,
    Refund,
    Subscription,
    SubscriptionCheckout,
)
from billing.sandbox import store
from billing.sandbox.services import disputes
from billing.services.forgetting import delete_at_stripe
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_refunds import ALL, balance, become, refund_at_stripe
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import SetClock
from smartspec.users.models import User

pytestmark = pytest.mark.django_db


def lose_webhooks() -> None:
    ProcrastinateJob.objects.all().delete()


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command and return its exit code and what it said."""
    output = StringIO()
    try:
        call_command("reconcile_stripe", "--json", *arguments, stdout=output)
    except SystemExit as stop:
        return int(str(stop.code)), json.loads(output.getvalue())
    return 0, json.loads(output.getvalue())


def kinds(*arguments: str) -> list[str]:
    return sorted(difference["kind"] for difference in run(*arguments)[1]["differences"])


def assert_repairs(*expected: str) -> None:
    """The differences are found, stay without --repair, and are gone with it."""
    code, found = run()
    assert code == 1
    assert set(found["kinds"]) == set(expected)
    code, repaired = run("--repair")
    assert (code, repaired["remaining"]) == (0, 0)
    code, found = run()
    assert (code, found["remaining"], found["repaired"], found["differences"]) == (0, 0, 0, [])


class TestFinding:
    def test_nothing_where_all_is_well(
        self, alice_client: APIClient, subscribe: Callable[..., str], run_jobs: Callable[[], int]
    ) -> None:
        subscribe(alice_client)
        pay(open_credits(alice_client))
        run_jobs()
        code, found = run()
        assert (code, found["remaining"]) == (0, 0)
        assert found["checked"] >= 5

    def test_purchases_and_plans_that_were_paid_and_not_granted(self, alice: Any, alice_client: APIClient) -> None:
        pay(open_credits(alice_client, 100))
        pay(open_plan(alice_client))
        lose_webhooks()
        code, found = run()
        assert code == 1
        assert set(found["kinds"]) == {"paid_not_granted", "subscription_state_mismatch"}
        assert run("--repair")[0] == 0
        assert run()[0] == 0
        assert balance(alice) == ALL + 500
        assert Purchase.objects.get().state == SubscriptionCheckout.objects.get().state == "fulfilled"

    def test_refunds_and_disputes_that_never_came(
        self, alice: Any, bob: Any, alice_client: APIClient, bob_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        for client in (alice_client, bob_client):
            pay(open_credits(client, 100))
        run_jobs()
        refund_at_stripe(Purchase.objects.get(user=alice).payment_intent_id)
        intent = store.get("payment_intent", Purchase.objects.get(user=bob).payment_intent_id)
        disputes.open_dispute(intent["latest_charge"], now=clock.now())
        lose_webhooks()
        assert_repairs("refund_not_clawed_back", "dispute_not_applied")
        assert balance(alice) == balance(bob) == 0
        assert credits_selectors.is_frozen(account_id=bob.pk)

    def test_a_refund_that_failed_later_and_a_dispute_that_was_won(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], set_clock: SetClock
    ) -> None:
        pay(open_credits(alice_client, 100))
        run_jobs()
        purchase = Purchase.objects.get()
        refund_id = refund_at_stripe(purchase.payment_intent_id, 450)
        charge = store.get("payment_intent", purchase.payment_intent_id)["latest_charge"]
        dispute = disputes.open_dispute(charge, now=clock.now())
        run_jobs()
        assert run()[0] == 0
        assert balance(alice) == 0
        later = clock.now() + timedelta(days=10)
        set_clock(later)
        assert run()[0] == 0  # from now on the window begins after them
        become(refund_id, "failed")
        disputes.close_dispute(dispute["id"], now=later, outcome="won")
        lose_webhooks()
        assert_repairs("refund_not_clawed_back", "dispute_not_applied")
        assert balance(alice) == ALL

    def test_refunds_that_were_never_sent(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client, 100))
        run_jobs()
        purchase = Purchase.objects.get()
        Refund.objects.create(
            user=alice, purchase=purchase, payment_intent_id=purchase.payment_intent_id, amount_cents=450,
            currency="usd", actor="support", created_at=clock.now(),
        )  # fmt: skip
        assert_repairs("refund_not_sent")
        assert balance(alice) == ALL / 2

    def test_a_cancellation_that_never_came(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        gateway.cancel_subscription(subscribe(alice_client))
        lose_webhooks()
        assert_repairs("subscription_state_mismatch")
        assert credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now()).plan == "free"

    def test_a_plan_that_is_paid_for_several_times_and_leaves_it_to_people(
        self, alice_client: APIClient, subscribe: Callable[..., str], run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        item: Any = {"id": Subscription.objects.get().item_id}
        gateway.update_subscription(subscription_id, {"items": [{**item, "quantity": 3}]})
        run_jobs()
        code, found = run("--repair")
        assert (code, [one["kind"] for one in found["differences"]]) == (1, ["plan_quantity"])
        assert found["differences"][0]["object_id"] == subscription_id
        gateway.update_subscription(subscription_id, {"items": [{**item, "quantity": 1}]})
        run_jobs()
        assert run()[0] == 0

    def test_a_plan_state_that_is_not_the_subscriptions(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        credits_services.set_plan(
            account_id=alice.pk, plan="free", anchor_at=clock.now(), paid_until=None, source="free", now=clock.now()
        )
        assert_repairs("subscription_state_mismatch")

    def test_a_customer_whose_row_was_lost(self, alice: Any) -> None:
        values = {"email": alice.email, "metadata": {"user_id": str(alice.pk)}}
        gateway.create_customer(values=values, idempotency_key="x")
        assert_repairs("customer_unlinked")
        assert Customer.objects.get().user == alice

    def test_an_erasure_that_a_restored_backup_forgot(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str], run_jobs: Callable[[], int]
    ) -> None:
        subscribe(alice_client)
        delete_at_stripe(
            Customer.objects.get()
        )  # all that is left of the erasure once a backup from before is restored
        lose_webhooks()
        assert "erasure_forgotten" in run()[1]["kinds"]
        assert User.objects.get(pk=alice.pk).is_active
        run("--repair")
        run_jobs()
        assert User.objects.get(pk=alice.pk).email.endswith("@erased.invalid")
        assert run()[0] == 0

    def test_no_erasure_where_a_customer_was_deleted_by_hand(
        self, alice: Any, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        gateway.delete_customer(Customer.objects.get().pk)
        run("--repair")
        assert User.objects.get(pk=alice.pk).is_active

    def test_what_was_given_and_never_paid_and_leaves_it_to_people(self, alice: Any) -> None:
        credits_services.grant(
            account_id=alice.pk,
            kind="purchase",
            credits=Decimal(ALL),
            source="purchase:none",
            now=clock.now(),
        )
        assert kinds() == kinds("--repair") == ["granted_not_paid"]

    def test_other_amounts(self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        pay(open_credits(alice_client, 100))
        run_jobs()
        Purchase.objects.update(paid_cents=1)
        assert kinds("--repair") == ["amount_mismatch"]


class TestRepairing:
    def test_goes_on_past_what_the_database_refuses(
        self, alice: Any, bob: Any, alice_client: APIClient, bob_client: APIClient
    ) -> None:
        pay(open_credits(alice_client, 100))
        pay(open_plan(bob_client))
        lose_webhooks()
        subscription = store.find("subscription")[0]
        item = subscription["items"]["data"][0]
        item["current_period_end"] = item["current_period_start"]
        store.save(subscription)
        code, found = run("--repair")
        left = {difference["user_id"] for difference in found["differences"] if not difference["repaired"]}
        assert (code, left) == (1, {str(bob.pk)})
        assert balance(alice) == ALL


class TestWhatCannotBeCompared:
    def test_keeps_nobody_else_from_it_and_is_named_until_it_can(
        self, alice_client: APIClient, bob: Any, bob_client: APIClient, subscribe: Any, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        agreed = gateway.create_price(
            {
                "currency": "usd",
                "unit_amount": 2500,
                "recurring": {"interval": "month"},
                "product": "prod_smartspec_pro",
            }
        )
        item = store.get("subscription", subscription_id)["items"]["data"][0]
        gateway.update_subscription(subscription_id, {"items": [{"id": item["id"], "price": agreed["id"]}]})
        pay(open_credits(bob_client, 100))
        lose_webhooks()
        code, found = run("--repair")
        left = [one for one in found["differences"] if not one["repaired"]]
        assert (code, balance(bob)) == (1, ALL)
        assert ("could_not_be_compared", subscription_id) in {(one["kind"], one["object_id"]) for one in left}
        assert found["remaining"] == len(left)
        label = {"smartspec_plan": "pro", "smartspec_interval": "monthly"}
        gateway.update_price(agreed["id"], {"metadata": label})
        assert run("--repair")[0] == 0
        assert run()[0] == 0

    def test_is_a_subscription_that_stripe_does_not_know(
        self, alice_client: APIClient, subscribe: Any, set_clock: SetClock, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        set_clock(clock.now() + timedelta(days=9))
        store.mark_deleted("subscription", subscription_id)
        arguments = ("--since", f"{clock.now() - timedelta(days=1):%Y-%m-%d}")
        assert kinds(*arguments) == ["subscription_state_mismatch"]


class TestEverythingLost:
    def test_is_made_good_by_one_run(self, alice: Any, alice_client: APIClient, set_clock: SetClock) -> None:
        first = open_credits(alice_client, 100)
        pay(first)
        pay(open_plan(alice_client, "pro", "yearly"))
        refund_at_stripe(store.get("checkout.session", first)["payment_intent"], 450)
        lose_webhooks()
        later = clock.now() + timedelta(days=8)
        set_clock(later)
        services.reconcile(now=later, is_repair=True)
        assert balance(alice) == 500 + ALL / 2
        assert run()[0] == 0
        assert (PaidInvoice.objects.count(), Refund.objects.count(), Clawback.objects.count()) == (1, 1, 2)
        assert Subscription.objects.get().paid_until is not None


class TestWindow:
    def test_begins_three_days_before_the_last_clean_run(self, alice_client: APIClient, set_clock: SetClock) -> None:
        assert run()[0] == 0
        first = clock.now()
        pay(open_credits(alice_client))
        lose_webhooks()
        later = first + timedelta(days=2)
        set_clock(later)
        assert run()[0] == 1
        run_of_later = ReconcileRun.objects.first()
        assert run_of_later is not None
        assert (
            first - timedelta(days=3, minutes=1)
            < run_of_later.since_at
            < first - timedelta(days=3) + timedelta(minutes=1)
        )
        assert (run_of_later.remaining, run_of_later.differences[0]["kind"]) == (1, "paid_not_granted")

    def test_of_one_user_leaves_the_others(
        self, alice: Any, bob: Any, alice_client: APIClient, bob_client: APIClient
    ) -> None:
        for client in (alice_client, bob_client):
            pay(open_credits(client, 100))
        lose_webhooks()
        assert run("--user", alice.email, "--repair")[0] == 0
        assert (balance(alice), balance(bob)) == (ALL, 0)
        assert run("--user", str(bob.pk))[0] == 1
        assert not ReconcileRun.objects.exists()

    def test_given_leaves_out_what_is_older(self, alice_client: APIClient) -> None:
        pay(open_credits(alice_client))
        lose_webhooks()
        until = (clock.now() - timedelta(days=1)).isoformat()
        assert run("--until", until)[0] == 0

    def test_of_an_unknown_user_is_an_error(self) -> None:
        with pytest.raises(CommandError, match="no user"):
            run("--user", "nobody@smartspec.test")


class TestOutage:
    def test_ends_the_run_and_says_so(self, settings: Any) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        with pytest.raises(CommandError, match="cannot be reached"):
            run()
        assert ReconcileRun.objects.get().finished_at is None


def test_says_in_words_what_differs(alice: Any, alice_client: APIClient) -> None:
    session_id = open_credits(alice_client)
    pay(session_id)
    lose_webhooks()
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("reconcile_stripe", stdout=output)
    assert f"differs: paid_not_granted {session_id} of {alice.pk}: The purchase is open." in output.getvalue()
    assert "1 differences remain." in output.getvalue()


@pytest.mark.parametrize("span", [["--since", "2999-01-01"], ["--since", "2026-03-02", "--until", "2026-03-01"]])
def test_refuses_a_span_in_which_there_is_nothing(span: list[str]) -> None:
    with pytest.raises(CommandError, match="nothing to compare") as refusal:
        call_command("reconcile_stripe", *span)
    assert refusal.value.returncode == 2
