"""A plan from checkout to its end, and all that must not give anything twice."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Customer, PaidInvoice, Subscription, SubscriptionCheckout
from billing.sandbox import store
from billing.sandbox.services import timekeeping
from billing.tests.conftest import open_plan, pay, pay_later, settle_debit
from billing.tests.test_webhooks import post
from credits import selectors as credits_selectors
from credits.models import Grant
from smartspec import clock
from smartspec.testing import SetClock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
URL = "/api/payment/checkout/subscription"


def allowances(user: Any) -> list[Decimal]:
    """What paid plans have given."""
    grants = Grant.objects.filter(account_id=user.pk, kind="subscription").exclude(source__startswith="allowance:free")
    return [grant.credits for grant in grants.order_by("number")]


def tier(user: Any) -> str:
    return credits_selectors.get_plan_state(account_id=user.pk, now=clock.now()).plan


class TestOpening:
    def test_sells_the_price_of_the_settings(self, alice: Any, alice_client: APIClient, settings: Any) -> None:
        session = store.get("checkout.session", open_plan(alice_client, "pro", "yearly"))
        assert session["mode"] == "subscription"
        assert session["amount_total"] == 29_000
        assert session["metadata"]["user_id"] == str(alice.pk)
        assert SubscriptionCheckout.objects.get().price_id == settings.STRIPE_PRICES["pro", "yearly"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"plan": "free"}, "plan"),
            ({"plan": "gold"}, "plan"),
            ({"plan": None}, "plan"),
            ({}, "plan"),
            ({"plan": "pro", "interval": "weekly"}, "interval"),
            ({"plan": "pro", "success_url": "https://evil.example"}, "success_url"),
        ],
    )
    def test_refuses_what_is_not_for_sale(self, alice_client: APIClient, body: dict[str, Any], field: str) -> None:
        answer = alice_client.post(URL, body)
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    def test_without_a_price_in_the_settings_is_503(self, alice_client: APIClient, settings: Any) -> None:
        settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "monthly"): ""}
        answer = alice_client.post(URL, {"plan": "pro"})
        assert (answer.status_code, answer.json()["code"]) == (503, "payments_not_configured")

    def test_is_refused_to_subscribers_and_names_the_way(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        answer = alice_client.post(URL, {"plan": "enterprise"})
        assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
        assert "change-plan" in answer.json()["detail"]
        assert answer.json()["subscription_id"] == subscription_id

    def test_is_refused_although_every_webhook_was_lost(self, alice_client: APIClient) -> None:
        pay(open_plan(alice_client))
        ProcrastinateJob.objects.all().delete()
        SubscriptionCheckout.objects.all().delete()
        assert alice_client.post(URL, {"plan": "pro"}).json()["code"] == "already_subscribed"

    def test_expires_the_other_open_ones(self, alice_client: APIClient) -> None:
        first = open_plan(alice_client)
        second = open_plan(alice_client, "enterprise")
        assert store.get("checkout.session", first)["status"] == "expired"
        assert store.get("checkout.session", second)["status"] == "open"
        assert SubscriptionCheckout.objects.get(session_id=first).state == "expired"

    def test_with_the_same_key_is_the_same_session(self, alice_client: APIClient) -> None:
        answers = [alice_client.post(URL, {"plan": "pro"}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["Idempotent-Replayed"] == "true"
        other = alice_client.post(URL, {"plan": "enterprise"}, headers={"Idempotency-Key": "k"})
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


class TestSubscribing:
    @pytest.mark.parametrize(
        ("plan", "interval", "credits"),
        [("pro", "monthly", 500), ("pro", "yearly", 500), ("enterprise", "monthly", 5000)],
    )
    def test_brings_the_plan_and_one_months_credits(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, plan: str, interval: str, credits: int
    ) -> None:
        subscription_id = subscribe(alice_client, plan, interval)
        assert tier(alice) == plan
        assert allowances(alice) == [credits]
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["id"], view["status"], view["interval"]) == (subscription_id, "active", interval)
        assert view["cancel_at_period_end"] is False
        assert view["pending_change"] is None
        assert view["monthly_credits"] == credits

    def test_is_seen_by_the_poll_before_the_webhook_comes(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_plan(alice_client)
        pay(session_id)
        status = alice_client.get(f"/api/payment/checkout/{session_id}").json()
        assert status == {
            "session_id": session_id,
            "mode": "subscription",
            "status": "fulfilled",
            "credits_granted": 500,
        }
        run_jobs()
        assert allowances(alice) == [500]

    def test_ends_the_same_in_any_order_of_events(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_plan(alice_client))
        ProcrastinateJob.objects.all().delete()
        handled = [
            event
            for event in store.find("event")
            if event["type"].startswith(
                ("customer.subscription", "invoice.paid", "checkout.session", "payment_intent.s")
            )
        ]
        for event in [*handled, *reversed(handled), *handled[1:], *handled[:1]]:
            post(json.dumps(event).encode())
            run_jobs()
            assert sum(allowances(alice)) <= 500
        assert (tier(alice), allowances(alice)) == ("pro", [500])
        assert PaidInvoice.objects.count() == Subscription.objects.count() == 1

    def test_logs_that_it_was_activated(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO"):
            subscription_id = subscribe(alice_client)
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        activated = [line for line in lines if line["event"] == "Subscription activated"]
        assert len(activated) == 1
        assert activated[0]["user_id"] == str(alice.pk)
        assert activated[0]["subscription_id"] == subscription_id
        assert activated[0]["event_id"].startswith("evt_")


class TestDelayedPayment:
    def status_of(self, client: APIClient, session_id: str) -> tuple[str, int]:
        answer = client.get(f"/api/payment/checkout/{session_id}").json()
        return answer["status"], answer["credits_granted"]

    def test_gives_the_month_when_the_bank_has_paid(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_plan(alice_client)
        pay_later(session_id)
        run_jobs()
        assert self.status_of(alice_client, session_id) == ("processing", 0)
        assert allowances(alice) == []
        settle_debit(session_id, "succeed")
        run_jobs()
        assert self.status_of(alice_client, session_id) == ("fulfilled", 500)
        assert allowances(alice) == [500]

    def test_that_fails_ends_the_checkout_and_the_plan(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_plan(alice_client)
        pay_later(session_id)
        run_jobs()
        settle_debit(session_id, "fail")
        run_jobs()
        assert SubscriptionCheckout.objects.get().state == "failed"
        assert self.status_of(alice_client, session_id) == ("failed", 0)
        assert (tier(alice), allowances(alice)) == ("free", [])

    def test_that_fails_unheard_is_found_by_reconcile(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_plan(alice_client)
        pay_later(session_id)
        self.status_of(alice_client, session_id)
        settle_debit(session_id, "fail")
        ProcrastinateJob.objects.all().delete()
        assert services.reconcile(now=clock.now()).remaining
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert SubscriptionCheckout.objects.get().state == "failed"

    def test_whose_invoice_was_paid_by_card_instead_is_fulfilled(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_plan(alice_client)
        pay(session_id)
        store.save(store.get("checkout.session", session_id) | {"payment_status": "unpaid"})
        run_jobs()
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert SubscriptionCheckout.objects.get().state == "fulfilled"
        assert allowances(alice) == [500]


class TestSyncing:
    def test_what_is_known_already_overtakes_nobody(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        version = Customer.objects.get(user=alice).state_version
        for _ in range(2):
            services.sync_subscription(subscription_id=subscription_id, now=clock.now())
        assert Customer.objects.get(user=alice).state_version == version
        gateway.update_subscription(subscription_id, {"cancel_at_period_end": True})
        synced = services.sync_subscription(subscription_id=subscription_id, now=clock.now())
        assert synced is not None
        assert synced.cancel_at_period_end
        assert Customer.objects.get(user=alice).state_version == version + 1


class TestSecondSubscription:
    def test_paid_all_the_same_is_cancelled_and_refunded(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], mailoutbox: list[Any]
    ) -> None:
        first, second = self.open_two(alice_client)
        pay(first)
        pay(second)
        run_jobs()
        kept, surplus = Subscription.objects.order_by("is_surplus")
        assert (kept.is_surplus, kept.status) == (False, "active")
        assert (surplus.is_surplus, surplus.status) == (True, "canceled")
        assert store.get("subscription", surplus.pk)["status"] == "canceled"
        assert allowances(alice) == [500]
        refunds = list(store.find("refund"))
        assert [refund["amount"] for refund in refunds] == [2900]
        assert alice_client.get("/api/payment/subscription").json()["id"] == kept.pk
        states = dict(SubscriptionCheckout.objects.values_list("session_id", "state"))
        assert sorted(states.values()) == ["failed", "fulfilled"]
        for subscription in (kept, surplus):  # and again, as often as one likes
            services.sync_subscription(subscription_id=subscription.pk, now=clock.now())
        run_jobs()
        assert len(list(store.find("refund"))) == 1
        assert allowances(alice) == [500]

    @pytest.mark.parametrize("credit_cents", [1000, 5000])
    def test_paid_from_the_customers_balance_puts_it_back_there_once(
        self,
        credit_cents: int,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        run_jobs: Callable[[], int],
        mailoutbox: list[Any],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        subscribe(alice_client)
        api, customer_id = gateway.client().v1, Customer.objects.get().pk
        card = api.payment_methods.attach("pm_card_visa", {"customer": customer_id})
        api.customers.update(
            customer_id, {"balance": -credit_cents, "invoice_settings": {"default_payment_method": card.id}}
        )
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            api.subscriptions.create({"customer": customer_id, "items": [{"price": "price_smartspec_pro_monthly"}]})
            run_jobs()
        surplus = Subscription.objects.get(is_surplus=True)
        services.sync_subscription(subscription_id=surplus.pk, now=clock.now())
        assert store.get("customer", customer_id)["balance"] == -credit_cents
        assert [refund["amount"] for refund in store.find("refund")] == [1900] * (credit_cents == 1000)
        assert allowances(alice) == [500]
        (message,) = mailoutbox
        assert message.subject == "Your second subscription was cancelled and refunded"
        assert "refunded $29 in full" in message.body

    def open_two(self, client: APIClient) -> tuple[str, str]:
        """Two sessions open at once: the second one's opening could not expire the first."""
        first = open_plan(client)
        SubscriptionCheckout.objects.filter(session_id=first).update(state="processing")
        return first, open_plan(client)


class TestCancelling:
    def test_at_period_end_keeps_the_plan_until_then(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        answer = alice_client.post("/api/payment/subscription/cancel", {"subscription_id": subscription_id})
        view = alice_client.get("/api/payment/subscription").json()
        assert answer.json() == {
            "success": True,
            "subscription_id": subscription_id,
            "cancel_at_period_end": True,
            "current_period_end": view["current_period_end"],
        }
        assert view["access_ends_at"] == view["current_period_end"]
        assert (view["status"], view["plan"]) == ("active", "pro")
        assert allowances(alice) == [500]

    def test_comes_true_when_the_period_is_over(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        run_jobs: Callable[[], int],
        set_clock: SetClock,
    ) -> None:
        alice_client.post("/api/payment/subscription/cancel", {"subscription_id": subscribe(alice_client)})
        end = Subscription.objects.get().current_period_end
        set_clock(end + timedelta(minutes=1))
        timekeeping.pass_time(now=clock.now())
        run_jobs()
        row = Subscription.objects.get()
        assert (row.status, row.ended_at) == ("canceled", end)
        assert tier(alice) == "free"
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["id"], view["plan"]) == (None, "free")
        assert allowances(alice) == [500]

    def test_can_be_undone(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        body = {"subscription_id": subscribe(alice_client)}
        alice_client.post("/api/payment/subscription/cancel", body)
        answer = alice_client.post("/api/payment/subscription/reactivate", body)
        assert answer.json() == {"success": True, **body}
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["cancel_at_period_end"], view["access_ends_at"]) == (False, None)

    def test_now_ends_the_plan_and_its_credits(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        body = {"subscription_id": subscribe(alice_client), "at_period_end": False}
        assert alice_client.post("/api/payment/subscription/cancel", body).status_code == 200
        run_jobs()
        assert tier(alice) == "free"
        grant = Grant.objects.get(account_id=alice.pk, source__startswith="allowance:sub_")
        assert grant.remaining == 0
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["id"], view["interval"], view["status"], view["plan"]) == (None, None, "active", "free")
        again = alice_client.post("/api/payment/subscription/cancel", body)
        assert (again.status_code, again.json()["code"]) == (409, "subscription_ended")
        assert list(store.find("refund")) == []  # cancelling now never prorates

    def test_and_subscribing_again_gives_a_month_that_is_paid_again(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        first = subscribe(alice_client)
        alice_client.post("/api/payment/subscription/cancel", {"subscription_id": first, "at_period_end": False})
        second = subscribe(alice_client)
        assert second != first
        assert allowances(alice) == [500, 500]
        available = credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available
        assert available <= 510

    @pytest.mark.parametrize("action", ["cancel", "reactivate", "change-plan", "cancel-change"])
    def test_by_another_user_is_404(
        self, alice_client: APIClient, bob_client: APIClient, subscribe: Subscribe, action: str
    ) -> None:
        body = {"subscription_id": subscribe(alice_client), "new_plan": "free"}
        answer = bob_client.post(f"/api/payment/subscription/{action}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert alice_client.get("/api/payment/subscription").json()["cancel_at_period_end"] is False


class TestFree:
    def test_is_what_everybody_has(self, alice_client: APIClient) -> None:
        view = alice_client.get("/api/payment/subscription").json()
        assert view["id"] is None
        assert view["interval"] is None
        assert (view["plan"], view["plan_name"], view["display_name"]) == ("free", "free", "Free")
        assert view["status"] == "active"
        assert view["monthly_credits"] == 10
        assert view["features"] == ["image_generation", "basic_support"]
        assert view["current_period_start"].endswith("Z")
        assert view["current_period_start"] < view["current_period_end"]


class TestUnknown:
    def test_customer_of_somebody_else_is_left_alone(self, alice: Any) -> None:
        customer = gateway.create_customer(values={"email": "x@example.test"}, idempotency_key="x")
        subscription = self.subscription_of(customer["id"])
        assert services.sync_subscription(subscription_id=subscription, now=clock.now()) is None
        assert not Subscription.objects.exists()

    def test_customer_that_names_a_user_of_ours_is_adopted(self, alice: Any) -> None:
        customer = gateway.create_customer(
            values={"email": "x@example.test", "metadata": {"user_id": str(alice.pk)}}, idempotency_key="x"
        )
        subscription = self.subscription_of(customer["id"])
        services.sync_subscription(subscription_id=subscription, now=clock.now())
        assert Subscription.objects.get().user == alice

    def test_price_is_an_error_and_gives_nothing(self, alice: Any, settings: Any) -> None:
        customer = gateway.create_customer(
            values={"email": "x@example.test", "metadata": {"user_id": str(alice.pk)}}, idempotency_key="x"
        )
        price = gateway.create_price(
            {
                "currency": "usd",
                "unit_amount": 100,
                "recurring": {"interval": "month"},
                "product": "prod_smartspec_pro",
            }
        )
        subscription = self.subscription_of(customer["id"], price["id"])
        with pytest.raises(services.UnknownPrice):
            services.sync_subscription(subscription_id=subscription, now=clock.now())
        assert not Subscription.objects.exists()

    def subscription_of(self, customer_id: str, price_id: str = "price_smartspec_pro_monthly") -> str:
        """Subscribe a customer outside of our checkout, as staff might in Stripe's dashboard."""
        client = gateway.client()
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer_id})
        subscription = client.v1.subscriptions.create(
            {"customer": customer_id, "items": [{"price": price_id}], "default_payment_method": method.id}
        )
        return str(subscription.id)
