"""Money that goes back by refunds: in any order, any number of times, whole and in parts."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Clawback, PaidInvoice, Purchase, Refund
from billing.sandbox import store
from billing.sandbox.services import events
from billing.tests.conftest import Travel, open_credits, open_plan, pay
from billing.tests.test_webhooks import post
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Entry
from smartspec import clock
from smartspec.testing import SetClock, make_user
from smartspec.users.models import User
from smartspec.users.services import Staff

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
ALL = 105  # a package of 100 and its bonus of 5, for 900 cents


def balance(user: Any) -> Decimal:
    """What a user has beside Free's allowance."""
    found = credits_selectors.get_balance(account_id=user.pk, now=clock.now()).balance
    free = Entry.objects.filter(account_id=user.pk, description__startswith="Free")
    return found - sum((entry.delta_credits for entry in free), Decimal(0))


def debt(user: Any) -> Decimal:
    return credits_selectors.get_balance(account_id=user.pk, now=clock.now()).debt


def clawbacks(user: Any) -> list[Decimal]:
    entries = Entry.objects.filter(account_id=user.pk, entry_type="clawback").order_by("number")
    return [entry.delta_credits for entry in entries]


def spend(user: Any, credits: int) -> None:
    credits_services.adjust(
        account_id=user.pk, credits=-Decimal(credits), reason="spent", idempotency_key="spent", now=clock.now()
    )


def refund_at_stripe(payment_intent_id: str, cents: int | None = None) -> str:
    """Refund as staff do in Stripe's dashboard; return the refund's id."""
    values: dict[str, Any] = {"payment_intent": payment_intent_id} | ({"amount": cents} if cents else {})
    refund = gateway.create_refund(values=values, idempotency_key=f"test:{len(list(store.find('refund')))}")
    return str(refund["id"])


def become(refund_id: str, status: str) -> None:
    """Let a refund have another status at Stripe, which says so."""
    before = store.get("refund", refund_id)
    kind = "refund.failed" if status == "failed" else "refund.updated"
    events.update(before | {"status": status}, before=before, event_type=kind, now=clock.now())


def money_events() -> list[dict[str, Any]]:
    return [
        event
        for event in store.find("event")
        if event["type"].startswith(("refund.", "charge.refund", "charge.dispute.", "checkout.session.completed"))
    ]


def deliver(events: Any, run_jobs: Callable[[], int]) -> None:
    for event in events:
        post(json.dumps(event).encode())
        run_jobs()


def refund_by_staff(
    purchase: Purchase, cents: int | None = None, *, keep_credits: bool = False, key: str = ""
) -> Refund:
    """Refund as an agent of Billing does; each time by another form, unless its key is given."""
    agent = User.objects.filter(email="agent@staff.test").first()
    if agent is None:
        agent = make_user("agent@staff.test", is_staff=True)
        agent.groups.add(Group.objects.get(name="Billing"))
    return services.refund_by_staff(
        staff=Staff(agent, None, "goodwill", "Asked nicely."),
        purchase_id=purchase.pk,
        amount_cents=cents,
        keep_credits=keep_credits,
        key=key or str(uuid4()),
        now=clock.now(),
    )


@pytest.fixture
def purchase(alice_client: APIClient, run_jobs: Callable[[], int]) -> Purchase:
    """A bought package."""
    session_id = open_credits(alice_client, 100)
    pay(session_id)
    run_jobs()
    return Purchase.objects.get(session_id=session_id)


class TestRefundOfAPurchase:
    def test_in_full_takes_everything_with_the_bonus(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        refund_at_stripe(purchase.payment_intent_id)
        run_jobs()
        assert (balance(alice), debt(alice)) == (0, 0)
        assert clawbacks(alice) == [-100, -5]
        refund = Refund.objects.get()
        assert (refund.purchase, refund.amount_cents, refund.status) == (purchase, 900, "succeeded")

    def test_in_parts_takes_the_share_of_each_and_the_last_one_the_rest(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        for cents, left in ((100, "93.333334"), (300, "58.333335"), (500, "0")):
            refund_at_stripe(purchase.payment_intent_id, cents)
            run_jobs()
            assert balance(alice) == Decimal(left)
        assert debt(alice) == 0

    def test_of_what_is_spent_is_debt_that_the_next_purchase_pays(
        self, alice: Any, alice_client: APIClient, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        spend(alice, 100)
        refund_at_stripe(purchase.payment_intent_id)
        run_jobs()
        assert debt(alice) == 100
        pay(open_credits(alice_client, 100))
        run_jobs()
        assert debt(alice) == 0
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == ALL - 100

    @pytest.mark.parametrize("status", ["failed", "canceled"])
    def test_that_fails_gives_back_once(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int], status: str
    ) -> None:
        refund_id = refund_at_stripe(purchase.payment_intent_id, 450)
        run_jobs()
        assert balance(alice) == Decimal("52.5")
        become(refund_id, status)
        run_jobs()
        assert balance(alice) == ALL
        deliver(money_events(), run_jobs)
        assert balance(alice) == ALL
        assert clawbacks(alice) == [-50, Decimal("-2.5"), 50, Decimal("2.5")]

    def test_ends_the_same_in_any_order_delivered_twice(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        ProcrastinateJob.objects.all().delete()
        intent = store.get("checkout.session", session_id)["payment_intent"]
        failing = refund_at_stripe(intent, 200)
        refund_at_stripe(intent, 300)
        become(failing, "failed")
        found = [event for event in money_events() if event["type"] != "charge.refunded"]
        ProcrastinateJob.objects.all().delete()
        for order in itertools.islice(itertools.permutations(found), 0, None, 5):
            with transaction.atomic():
                deliver([*order, order[0]], run_jobs)
                assert balance(alice) == 105 - Decimal("33.333333") - Decimal("1.666666")
                assert sorted(Refund.objects.values_list("amount_cents", "status")) == [
                    (200, "failed"),
                    (300, "succeeded"),
                ]
                transaction.set_rollback(True)

    def test_known_only_by_the_charge_is_the_same(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        refund_at_stripe(purchase.payment_intent_id, 450)
        ProcrastinateJob.objects.all().delete()
        deliver([event for event in money_events() if event["type"] == "charge.refunded"], run_jobs)
        assert balance(alice) == Decimal("52.5")

    def test_before_we_heard_of_the_purchase_gives_and_takes(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        ProcrastinateJob.objects.all().delete()
        refund_id = refund_at_stripe(store.get("checkout.session", session_id)["payment_intent"])
        ProcrastinateJob.objects.all().delete()
        services.settle_refund(refund_id=refund_id, now=clock.now())
        assert Purchase.objects.get().state == "fulfilled"
        assert (balance(alice), debt(alice)) == (0, 0)

    def test_of_nobody_of_ours_is_left_alone(self) -> None:
        client = gateway.client()
        intent = client.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
        refund_id = refund_at_stripe(intent.id)
        assert services.settle_refund(refund_id=refund_id, now=clock.now()) is None
        assert not Refund.objects.exists()


class TestRefundByStaff:
    def refund(
        self, purchase: Purchase, cents: int | None = None, *, keep_credits: bool = False, key: str = ""
    ) -> Refund:
        return refund_by_staff(purchase, cents, keep_credits=keep_credits, key=key)

    def test_sends_it_and_takes_the_credits(self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]) -> None:
        refund = self.refund(purchase, 450)
        assert (refund.status, refund.actor) == ("succeeded", "agent@staff.test")
        assert store.get("refund", str(refund.refund_id))["amount"] == 450
        assert balance(alice) == Decimal("52.5")
        run_jobs()
        assert balance(alice) == Decimal("52.5")
        assert Refund.objects.count() == 1

    def test_may_leave_the_credits_with_the_customer(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        self.refund(purchase, 450, keep_credits=True)
        run_jobs()
        assert balance(alice) == ALL
        refund_at_stripe(purchase.payment_intent_id)  # the rest, in the dashboard
        run_jobs()
        assert balance(alice) == Decimal("52.5")

    @pytest.mark.parametrize("cents", [100, None])
    def test_with_the_same_key_is_one(self, purchase: Purchase, cents: int | None) -> None:
        self.refund(purchase, 50)
        first, second = (self.refund(purchase, cents, key="k") for _ in range(2))
        assert first.pk == second.pk
        assert len(list(store.find("refund"))) == 2

    @pytest.mark.parametrize("other", [{"cents": 200}, {"cents": None}, {"cents": 100, "keep_credits": True}])
    def test_with_the_same_key_for_another_refund_is_a_conflict(
        self, purchase: Purchase, other: dict[str, Any]
    ) -> None:
        self.refund(purchase, 100, key="k")
        with pytest.raises(services.IdempotencyConflict):
            self.refund(purchase, key="k", **other)
        assert len(list(store.find("refund"))) == 1

    @pytest.mark.parametrize("cents", [0, -1, 901])
    def test_of_more_than_there_is_or_nothing_is_refused(self, purchase: Purchase, cents: int) -> None:
        with pytest.raises(services.NotRefundable):
            self.refund(purchase, cents)
        assert not Refund.objects.exists()

    def test_of_what_was_refunded_already_is_refused(self, purchase: Purchase) -> None:
        refund_at_stripe(purchase.payment_intent_id)
        with pytest.raises(services.NotRefundable):
            self.refund(purchase)
        assert Refund.objects.get().status == "refused"

    def test_that_could_not_be_sent_stays_written_down_and_is_sent_later(
        self, alice: Any, purchase: Purchase, settings: Any
    ) -> None:
        real = settings.STRIPE_HTTP_CLIENT
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        with pytest.raises(gateway.StripeUnavailable):
            self.refund(purchase)
        settings.STRIPE_HTTP_CLIENT = real
        (written,) = Refund.objects.all()
        assert (written.status, balance(alice)) == ("requested", ALL)
        services.send_refund(refund=written, now=clock.now())
        assert balance(alice) == 0

    def test_that_stripe_made_unheard_is_not_made_again_once_stripe_has_forgotten_the_key(
        self, alice: Any, purchase: Purchase, settings: Any, travel: Travel
    ) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.StripeWithoutAnswers"
        with pytest.raises(gateway.StripeUnavailable):
            self.refund(purchase, 300)
        settings.STRIPE_HTTP_CLIENT = "billing.sandbox.client.InProcessClient"
        ProcrastinateJob.objects.all().delete()
        travel(clock.now() + timedelta(days=2))
        since = clock.now() - timedelta(hours=1)
        assert services.reconcile(now=clock.now(), since=since, is_repair=True).remaining == 0
        assert [refund["amount"] for refund in store.find("refund")] == [300]
        assert (Refund.objects.get().status, round(balance(alice))) == ("succeeded", 70)

    def test_of_an_unpaid_checkout_is_refused(self, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        with pytest.raises(services.NotRefundable):
            self.refund(Purchase.objects.get(session_id=session_id))


class TestRefundOfASubscription:
    def intent_of(self, invoice_id: str) -> str:
        from billing import stripe_data

        (intent,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(invoice_id))
        return intent

    def test_takes_its_share_of_the_months_credits(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscribe(alice_client)
        refund_at_stripe(self.intent_of(PaidInvoice.objects.get().pk), 1450)
        run_jobs()
        assert balance(alice) == 250

    def test_in_full_pays_for_no_further_month_and_a_failure_restores_it(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: Callable[[], int]
    ) -> None:
        subscribe(alice_client, "pro", "yearly")
        refund_id = refund_at_stripe(self.intent_of(PaidInvoice.objects.get().pk))
        run_jobs()
        state = credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now())
        assert (balance(alice), state.plan, state.paid_until) == (0, "pro", None)
        become(refund_id, "failed")
        run_jobs()
        state = credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now())
        assert (balance(alice), state.plan) == (500, "pro")
        assert state.paid_until == PaidInvoice.objects.get().period_end

    def test_of_half_a_year_halves_the_later_months_as_well(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        run_jobs: Callable[[], int],
        set_clock: SetClock,
    ) -> None:
        subscribe(alice_client, "pro", "yearly")
        refund_at_stripe(self.intent_of(PaidInvoice.objects.get().pk), 14_500)
        run_jobs()
        assert balance(alice) == 250
        later = clock.now() + timedelta(days=70)
        set_clock(later)
        credits_services.give_allowances(account_id=alice.pk, now=later)
        services.settle_later_allowances(now=later)
        once = balance(alice)
        services.settle_later_allowances(now=later)
        assert balance(alice) == once
        given = sum(row.taken_credits for row in Clawback.objects.all())
        assert given == 250 * Clawback.objects.count()
        assert Clawback.objects.count() == 3

    def test_of_a_second_subscription_takes_nothing(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        from billing.models import SubscriptionCheckout

        first = open_plan(alice_client)
        SubscriptionCheckout.objects.update(state="processing")
        second = open_plan(alice_client)
        for session_id in (first, second):
            pay(session_id)
        run_jobs()
        assert balance(alice) == 500
        assert not Refund.objects.exists()
