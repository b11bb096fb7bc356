"""Changing a plan: what it costs, what it gives, and what a refusal leaves as it was."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Customer, PaidInvoice, PlanChange, Subscription
from billing.sandbox import store
from billing.sandbox.services import authentication, clocks, customers
from billing.services.upgrades import Upgrade, upgrade_credits
from billing.tests.conftest import FAILS_LATER_CARD, open_plan, pay
from billing.tests.test_subscriptions import allowances, tier
from credits import selectors as credits_selectors
from smartspec import clock
from smartspec.testing import SetClock, make_client, make_user

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
URL = "/api/payment/subscription/change-plan"


def change(client: APIClient, subscription_id: str, new_plan: str, key: str | None = None, **body: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(URL, {"subscription_id": subscription_id, "new_plan": new_plan, **body}, headers=headers)


def use_card(subscription_id: str, name: str) -> None:
    """Let the subscription renew by one of Stripe's named cards."""
    subscription = store.get("subscription", subscription_id)
    method = gateway.client().v1.payment_methods.attach(name, {"customer": subscription["customer"]})
    gateway.update_subscription(subscription_id, {"default_payment_method": method.id})


class TestUpgrade:
    def test_at_once_gives_the_difference_rounded_up(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        answer = change(alice_client, subscription_id, "enterprise").json()
        assert (answer["success"], answer["status"], answer["action_url"]) == (True, "done", None)
        assert answer["subscription_id"] == subscription_id
        assert answer["currency"] == "usd"
        assert 16_990 <= answer["amount_due"] <= 17_000
        assert 4_490 <= answer["credits_granted"] <= 4_500
        run_jobs()
        assert tier(alice) == "enterprise"
        assert allowances(alice) == [500, Decimal(answer["credits_granted"])]

    def test_in_the_middle_of_the_month_gives_half(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        run_jobs: Callable[[], int],
        set_clock: SetClock,
    ) -> None:
        subscription_id = subscribe(alice_client)
        row = Subscription.objects.get()
        middle = row.current_period_start + (row.current_period_end - row.current_period_start) / 2
        set_clock(middle)
        preview = change(alice_client, subscription_id, "enterprise", preview=True).json()
        assert (preview["status"], preview["credits_granted"]) == ("done", 2250)
        assert preview["amount_due"] == pytest.approx(8500, abs=1)
        assert tier(alice) == "pro"  # a preview changes nothing
        answer = change(alice_client, subscription_id, "enterprise").json()
        assert (answer["credits_granted"], answer["amount_due"]) == (2250, preview["amount_due"])
        run_jobs()
        assert allowances(alice) == [500, 2250]

    def test_from_monthly_to_yearly_gives_no_credits_now(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        anchor = Subscription.objects.get().anchor_at
        answer = change(alice_client, subscription_id, "pro", new_interval="yearly").json()
        assert (answer["status"], answer["credits_granted"]) == ("done", 0)
        run_jobs()
        row = Subscription.objects.get()
        assert (row.interval, row.anchor_at) == ("yearly", anchor)
        assert row.paid_until is not None
        assert row.paid_until > clock.now() + timedelta(days=364)
        assert allowances(alice) == [500]

    def test_with_a_card_that_fails_leaves_the_plan_as_it_was(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        answer = change(alice_client, subscription_id, "enterprise", key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "card_refused")
        run_jobs()
        assert tier(alice) == "pro"
        assert allowances(alice) == [500]
        assert store.get("subscription", subscription_id)["pending_update"] is None
        use_card(subscription_id, "pm_card_visa")
        again = change(alice_client, subscription_id, "enterprise", key="k")  # only effects are remembered
        assert again.json()["status"] == "done"

    def test_that_asks_for_authentication_gives_the_link_and_waits(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_authenticationRequired")
        answer = change(alice_client, subscription_id, "enterprise").json()
        assert (answer["status"], answer["credits_granted"]) == ("requires_action", 0)
        assert answer["action_url"].startswith("http")
        run_jobs()
        assert tier(alice) == "pro"
        second = change(alice_client, subscription_id, "enterprise")
        assert (second.status_code, second.json()["code"]) == (409, "change_in_progress")
        (waiting,) = [intent for intent in store.find("payment_intent") if intent["status"] == "requires_action"]
        authentication.answer(waiting["id"], outcome="complete", now=clock.now())
        run_jobs()
        assert tier(alice) == "enterprise"
        first, upgrade = allowances(alice)
        assert first == 500
        assert 4_490 <= upgrade <= 4_500

    def test_with_the_same_key_is_answered_again(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        answers = [change(alice_client, subscription_id, "enterprise", key="k") for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["Idempotent-Replayed"] == "true"
        assert PlanChange.objects.count() == 1
        other = change(alice_client, subscription_id, "free", key="k")
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


class TestLostWebhooks:
    def test_of_the_first_month_do_not_make_an_upgrade_give_more(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        """The same month and the same upgrade, but we hear of the first invoice only with the second."""
        subscription_id = subscribe(alice_client)
        change(alice_client, subscription_id, "enterprise")
        run_jobs()
        expected = sum(allowances(alice))
        newest = PaidInvoice.objects.order_by("-paid_at", "-upgraded_at").first()

        carol = make_user("carol@smartspec.test")
        client = make_client(carol)
        assert pay(open_plan(client)).status == "complete"
        ProcrastinateJob.objects.all().delete()
        (subscription,) = [row for row in store.find("subscription") if row["id"] != subscription_id]
        gateway.update_subscription(
            subscription["id"],
            {
                "items": [
                    {"id": subscription["items"]["data"][0]["id"], "price": "price_smartspec_enterprise_monthly"}
                ],
                "proration_behavior": "always_invoice",
            },
        )
        upgrade_invoice = store.get("subscription", subscription["id"])["latest_invoice"]
        assert newest is not None
        assert upgrade_invoice != newest.pk
        same_second = store.get("invoice", upgrade_invoice)["created"]
        for invoice in store.find("invoice", customer=subscription["customer"]):  # time does not tell which came first
            store.save({**invoice, "created": same_second})
        services.record_invoice(invoice_id=upgrade_invoice, now=clock.now())
        run_jobs()
        assert allowances(carol)[0] == 500
        assert sum(allowances(carol)) == pytest.approx(expected, abs=5)  # minutes apart


class TestOnATestClock:
    """Stripe, not our clock, says when a customer's change is: theirs may be ahead of it."""

    @pytest.fixture
    def in_their_second_month(self, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]) -> str:
        subscription_id = subscribe(alice_client)
        row = Subscription.objects.get()
        clock_id = customers.ensure_own_clock(row.customer_id, name="ahead", now=row.current_period_start)
        clocks.move(
            clock_id, by=row.current_period_end - row.current_period_start + timedelta(days=10), now=clock.now()
        )
        run_jobs()
        return subscription_id

    def test_an_upgrade_costs_and_gives_what_its_preview_said(
        self, alice: Any, alice_client: APIClient, in_their_second_month: str, run_jobs: Callable[[], int]
    ) -> None:
        before = allowances(alice)
        preview = change(alice_client, in_their_second_month, "enterprise", preview=True)
        assert preview.status_code == 200, preview.content
        answer = change(alice_client, in_their_second_month, "enterprise").json()
        assert answer["status"] == "done"
        row = Subscription.objects.get()
        month = row.current_period_end - row.current_period_start
        left = month - timedelta(days=10)  # there; Stripe rounds what is owed and what is due
        assert answer["amount_due"] == pytest.approx((199_00 - 29_00) * left // month, abs=1)
        for name in ("amount_due", "credits_granted"):
            assert answer[name] == preview.json()[name]
        run_jobs()
        assert allowances(alice) == [*before, Decimal(answer["credits_granted"])]
        assert tier(alice) == "enterprise"


class TestUpgradeCredits:
    """max(0, old x elapsed + new x left - what the month gave)."""

    def test_of_two_upgrades_in_one_month_count_what_the_first_gave(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, now: datetime
    ) -> None:
        subscribe(alice_client)
        row = Subscription.objects.get()
        month = credits_selectors.month_at(anchor_at=row.anchor_at, at=row.anchor_at)
        half = Upgrade("pro", "enterprise", changed_at=month.start_at + (month.end_at - month.start_at) / 2)
        assert upgrade_credits(row, half) == 2250
        PaidInvoice.objects.create(
            pk="in_earlier",
            subscription=row,
            billing_reason="subscription_update",
            paid_cents=1,
            currency="usd",
            upgraded_from="pro",
            upgraded_to="enterprise",
            upgraded_at=half.changed_at,
            upgrade_credits=2250,
            paid_at=now,
        )
        assert upgrade_credits(row, half) == 0

    def test_are_rounded_up_to_a_whole_credit(self, alice: Any, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscribe(alice_client)
        row = Subscription.objects.get()
        month = credits_selectors.month_at(anchor_at=row.anchor_at, at=row.anchor_at)
        late = Upgrade("pro", "enterprise", changed_at=month.end_at - timedelta(seconds=1))
        assert upgrade_credits(row, late) == 1


class TestDowngrade:
    def test_to_free_is_a_cancellation_at_period_end(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        answer = change(alice_client, subscription_id, "free").json()
        view = alice_client.get("/api/payment/subscription").json()
        assert (answer["status"], answer["amount_due"], answer["credits_granted"]) == ("scheduled", 0, 0)
        assert answer["effective_at"] == view["current_period_end"]
        assert view["cancel_at_period_end"] is True
        again = change(alice_client, subscription_id, "free")
        assert (again.status_code, again.json()["code"]) == (409, "no_change")

    @pytest.mark.parametrize(
        ("plan", "interval", "new_plan", "new_interval"),
        [("enterprise", "monthly", "pro", "monthly"), ("pro", "yearly", "pro", "monthly")],
    )
    def test_waits_for_the_end_of_the_paid_period_and_can_be_undone(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        plan: str,
        interval: str,
        new_plan: str,
        new_interval: str,
    ) -> None:
        subscription_id = subscribe(alice_client, plan, interval)
        preview = change(alice_client, subscription_id, new_plan, new_interval=new_interval, preview=True).json()
        assert (preview["status"], preview["amount_due"]) == ("scheduled", 0)
        answer = change(alice_client, subscription_id, new_plan, new_interval=new_interval)
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["plan"], view["interval"]) == (plan, interval)
        assert answer.json()["status"] == "scheduled"
        assert view["pending_change"] == {
            "plan": new_plan,
            "interval": new_interval,
            "effective_at": view["current_period_end"],
        }
        undone = alice_client.post("/api/payment/subscription/cancel-change", {"subscription_id": subscription_id})
        assert undone.json() == {"success": True}
        assert alice_client.get("/api/payment/subscription").json()["pending_change"] is None

    def test_gives_way_to_an_upgrade_a_cancellation_and_a_resumption(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client, "pro", "yearly")
        body = {"subscription_id": subscription_id}
        assert change(alice_client, subscription_id, "pro", new_interval="monthly").json()["status"] == "scheduled"
        assert alice_client.post("/api/payment/subscription/cancel", body).status_code == 200
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["pending_change"], view["cancel_at_period_end"]) == (None, True)
        # and a change takes the place of a cancellation
        assert change(alice_client, subscription_id, "pro", new_interval="monthly").json()["status"] == "scheduled"
        view = alice_client.get("/api/payment/subscription").json()
        assert view["pending_change"]["interval"] == "monthly"
        assert view["cancel_at_period_end"] is False
        assert change(alice_client, subscription_id, "enterprise").json()["status"] == "done"
        run_jobs()
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["plan"], view["interval"], view["pending_change"]) == ("enterprise", "yearly", None)

    def test_that_stripe_refuses_changes_nothing(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        alice_client.post("/api/payment/subscription/cancel", {"subscription_id": subscription_id})
        # A price that staff took off sale can be in no schedule: Stripe says so only when the phases are written.
        gateway.client().v1.prices.update("price_smartspec_pro_monthly", {"active": False})
        answer = change(alice_client, subscription_id, "pro")
        assert (answer.status_code, answer.json()["code"]) == (422, "change_not_available")
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["plan"], view["pending_change"], view["cancel_at_period_end"]) == ("enterprise", None, True)
        assert store.get("subscription", subscription_id)["schedule"] is None

    def test_takes_the_place_of_a_schedule_that_leads_nowhere(
        self, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        gateway.create_schedule(subscription_id=subscription_id)
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"
        body = {"subscription_id": subscription_id}
        assert alice_client.post("/api/payment/subscription/cancel", body).status_code == 200
        view = alice_client.get("/api/payment/subscription").json()
        assert (view["pending_change"], view["cancel_at_period_end"]) == (None, True)


class TestBrokenOff:
    """A process that died in the middle of a change."""

    def test_before_its_answer_was_written_is_gone_on_with(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        assert change(alice_client, subscription_id, "pro", key="k").json()["status"] == "scheduled"
        PlanChange.objects.update(answer=None)
        again = change(alice_client, subscription_id, "pro", key="k")
        assert (again.status_code, again.json()["status"]) == (200, "scheduled")
        assert alice_client.get("/api/payment/subscription").json()["pending_change"]["plan"] == "pro"

    def test_after_a_card_was_refused_blocks_no_later_upgrade(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscription_id = subscribe(alice_client)
        self.be_refused_and_die(subscription_id)
        use_card(subscription_id, "pm_card_visa")
        assert change(alice_client, subscription_id, "enterprise").json()["status"] == "done"
        run_jobs()
        assert tier(alice) == "enterprise"

    def test_after_a_card_was_refused_is_refused_and_then_done_with_the_same_key(
        self, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        assert change(alice_client, subscription_id, "enterprise", key="k").json()["code"] == "card_refused"
        PlanChange.objects.update(idempotency_key="k")  # as if its process had died before the refusal was answered
        use_card(subscription_id, "pm_card_visa")
        assert change(alice_client, subscription_id, "enterprise", key="k").json()["code"] == "card_refused"
        assert change(alice_client, subscription_id, "enterprise", key="k").json()["status"] == "done"

    def be_refused_and_die(self, subscription_id: str) -> None:
        """Leave at Stripe what an upgrade leaves there whose card was refused, and that nobody cleared away."""
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        item = store.get("subscription", subscription_id)["items"]["data"][0]["id"]
        values = {
            "items": [{"id": item, "price": "price_smartspec_enterprise_monthly"}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        }
        assert gateway.update_subscription(subscription_id, values)["pending_update"]

    def test_keeps_others_out_for_two_minutes(
        self, alice_client: APIClient, subscribe: Subscribe, set_clock: SetClock
    ) -> None:
        subscription_id, died_at = subscribe(alice_client, "enterprise"), clock.now()
        Customer.objects.update(changing_until=died_at + timedelta(minutes=2))
        body = {"subscription_id": subscription_id}
        for path in ("change-plan", "cancel", "reactivate", "cancel-change"):
            answer = alice_client.post(f"/api/payment/subscription/{path}", {**body, "new_plan": "pro"})
            assert (answer.status_code, answer.json()["code"]) == (409, "change_under_way"), path
        set_clock(died_at + timedelta(minutes=2))
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"


class TestRefusal:
    def test_of_the_same_plan_and_interval(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        answer = change(alice_client, subscribe(alice_client), "pro")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_change")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"new_plan": "gold"}, "new_plan"),
            ({"new_plan": "pro", "new_interval": "weekly"}, "new_interval"),
            ({"new_plan": "pro", "preview": "yes"}, "preview"),
            ({"new_plan": "pro", "subscription_id": 17}, "subscription_id"),
        ],
    )
    def test_of_what_is_malformed(self, alice_client: APIClient, body: dict[str, Any], field: str) -> None:
        answer = alice_client.post(URL, {"subscription_id": "sub_1", **body})
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    def test_of_a_subscription_that_has_ended(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        body: dict[str, Any] = {"subscription_id": subscription_id, "at_period_end": False}
        alice_client.post("/api/payment/subscription/cancel", body)
        answer = change(alice_client, subscription_id, "enterprise")
        assert (answer.status_code, answer.json()["code"]) == (409, "subscription_ended")

    def test_of_undoing_what_is_not_scheduled(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        body = {"subscription_id": subscribe(alice_client)}
        answer = alice_client.post("/api/payment/subscription/cancel-change", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_pending_change")


class TestUpgradeWithABadCardFromTheStart:
    def test_is_refused_and_nothing_is_given(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        assert pay(open_plan(alice_client), FAILS_LATER_CARD).status == "declined"
        run_jobs()
        assert tier(alice) == "free"
        assert allowances(alice) == []
