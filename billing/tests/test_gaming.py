"""What people might try to get more than they paid for: nothing is gained by it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import services
from billing.models import PaidInvoice, Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.services import authentication
from billing.tests.conftest import open_credits, pay
from billing.tests.lives import Person, period_of, travel, use_card
from billing.tests.test_refunds import refund_at_stripe
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Entry, Grant
from smartspec import clock
from smartspec.testing import make_client, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(alice_client: APIClient, settings: Any, run_jobs: Callable[[], int]) -> Iterator[Person]:
    """Alice, and time that can be moved."""
    settings.CLOCK_OFFSET = "billing.sandbox.services.moving.read_offset"
    clock.forget_offset()

    def work(now: datetime) -> None:
        run_jobs()
        credits_services.expire(now=now)
        credits_services.give_due_allowances(now=now)
        services.settle_later_allowances(now=now)

    yield Person(alice_client, work)
    clock.forget_offset()


def subscribe(person: Person, plan: str = "pro", interval: str = "monthly") -> None:
    body = {"plan": plan, "interval": interval}
    answer = person.client.post("/api/payment/checkout/subscription", body).json()
    person.session_id = answer["session_id"]
    assert pay(person.session_id).status == "complete"
    person.do_the_work(clock.now())


def cancel_now(person: Person) -> None:
    person.post("subscription/cancel", subscription_id=person.subscription["id"], at_period_end=False)
    person.do_the_work(clock.now())


def spend_everything(user: Any) -> Decimal:
    """Burn what there is, as jobs do."""
    available = credits_selectors.get_balance(account_id=user.pk, now=clock.now()).available
    key = f"burn:{Entry.objects.filter(account_id=user.pk).count()}"
    credits_services.adjust(
        account_id=user.pk, credits=-available, reason="burnt", idempotency_key=key, now=clock.now()
    )
    return available


def balance(user: Any) -> Decimal:
    return credits_selectors.get_balance(account_id=user.pk, now=clock.now()).balance


def given(user: Any) -> list[Decimal]:
    """What plans gave that are paid for."""
    grants = Grant.objects.filter(account_id=user.pk, kind="subscription").exclude(source__startswith="allowance:free")
    return [grant.credits for grant in grants.order_by("number")]


def paid_cents() -> int:
    return sum(PaidInvoice.objects.values_list("paid_cents", flat=True))


class TestSubscribingAgain:
    def test_after_burning_and_cancelling_gives_only_what_is_paid_again(self, alice: Any, person: Person) -> None:
        for _ in range(3):
            subscribe(person)
            spend_everything(alice)
            cancel_now(person)
            travel(person, clock.now() + timedelta(hours=1))
        assert given(alice) == [500, 500, 500]
        assert paid_cents() == 3 * 29_00
        assert balance(alice) == 0

    def test_brings_no_second_free_allowance_in_the_same_month(self, alice: Any, person: Person) -> None:
        person.do_the_work(clock.now())
        for _ in range(2):
            subscribe(person)
            cancel_now(person)
            travel(person, clock.now() + timedelta(hours=1))
        free = Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:free")
        assert [grant.credits for grant in free] == [10]


class TestUpDownUp:
    def test_in_one_period_gives_the_difference_once(self, alice: Any, person: Person) -> None:
        subscribe(person)
        start, end = period_of(person)
        travel(person, start + (end - start) / 2)
        person.change_plan("enterprise")
        person.change_plan("pro")  # waits for the period's end
        person.post("subscription/cancel-change", subscription_id=person.subscription["id"])
        answer = person.client.post(
            "/api/payment/subscription/change-plan",
            {"subscription_id": person.subscription["id"], "new_plan": "enterprise"},
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "no_change")
        person.do_the_work(clock.now())
        assert given(alice) == [500, 2250]
        assert paid_cents() == pytest.approx(29_00 + 85_00, abs=1)

    def test_within_the_hour_in_which_the_renewal_is_a_draft_gives_no_month_twice(
        self, alice: Any, person: Person
    ) -> None:
        subscribe(person)
        end = period_of(person)[1]
        travel(person, end + timedelta(minutes=30))
        person.change_plan("enterprise")
        travel(person, end + timedelta(hours=2))
        month = sum(given(alice)[1:])
        assert 4_990 <= month <= 5_000
        assert paid_cents() == pytest.approx(29_00 + 199_00, abs=20)

    def test_with_a_card_that_is_refused_gives_nothing(self, alice: Any, person: Person) -> None:
        subscribe(person)
        use_card("pm_card_chargeCustomerFail")(person)
        for _ in range(3):
            body = {"subscription_id": person.subscription["id"], "new_plan": "enterprise"}
            assert person.client.post("/api/payment/subscription/change-plan", body).status_code == 422
        person.do_the_work(clock.now())
        assert given(alice) == [500]

    def test_left_unconfirmed_gives_nothing(self, alice: Any, person: Person) -> None:
        subscribe(person)
        use_card("pm_card_authenticationRequired")(person)
        person.change_plan("enterprise")
        (waiting,) = [intent for intent in store.find("payment_intent") if intent["status"] == "requires_action"]
        authentication.answer(waiting["id"], outcome="fail", now=clock.now())
        person.do_the_work(clock.now())
        assert given(alice) == [500]
        assert credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now()).plan == "pro"


class TestUpAndDownAgain:
    def test_over_a_renewal_is_refused_nowhere_and_gives_each_month_once(self, alice: Any, person: Person) -> None:
        subscribe(person)
        person.change_plan("enterprise")
        person.change_plan("pro")  # waits for the end of the month
        person.do_the_work(clock.now())
        travel(person, period_of(person)[1] + timedelta(hours=2))
        assert Subscription.objects.get().plan == "pro"
        person.change_plan("enterprise")
        person.change_plan("pro")
        person.do_the_work(clock.now())
        assert Subscription.objects.get().pending_plan == "pro"
        travel(person, period_of(person)[1] + timedelta(hours=2))
        assert Subscription.objects.get().plan == "pro"
        first, second, third = sum(given(alice)[:2]), sum(given(alice)[2:4]), given(alice)[4]
        assert 4_980 <= first <= 5_000
        assert 4_980 <= second <= 5_000
        assert third == 500


class TestMonthlyToYearlyAndBack:
    def test_gives_one_allowance_a_month(self, alice: Any, person: Person) -> None:
        subscribe(person)
        for interval in ("yearly", "monthly"):  # the way back waits for the end of the paid year
            person.change_plan("pro", interval)
            person.do_the_work(clock.now())
        assert given(alice) == [500]
        travel(person, clock.now() + timedelta(days=40))
        assert given(alice) == [500, 500]
        assert Subscription.objects.get().pending_interval == "monthly"


class TestRefundAfterSpending:
    def test_of_a_purchase_leaves_a_debt_that_everything_pays_first(self, alice: Any, person: Person) -> None:
        session_id = open_credits(person.client, 100)
        pay(session_id)
        person.do_the_work(clock.now())
        spent = spend_everything(alice)
        refund_at_stripe(Purchase.objects.get().payment_intent_id)
        person.do_the_work(clock.now())
        assert balance(alice) <= -95  # Free's 10 may have come in between
        pay(open_credits(person.client, 100))
        person.do_the_work(clock.now())
        assert spent + balance(alice) <= 105 + 10  # what is paid for, and Free's

    def test_of_a_month_leaves_a_debt_and_no_way_out_by_cancelling(self, alice: Any, person: Person) -> None:
        subscribe(person)
        spend_everything(alice)
        (payment,) = store.find("payment_intent", customer=person.subscription["customer"])
        refund_at_stripe(payment["id"])
        person.do_the_work(clock.now())
        cancel_now(person)
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).debt >= 490  # less Free's 10
        subscribe(person)
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available <= 10  # Free's


class TestSigningUpAgain:
    def test_with_another_spelling_of_the_address_brings_no_second_free_allowance(
        self, alice: Any, person: Person
    ) -> None:
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        twin = make_user("Alice+again@smartspec.test")
        make_client(twin).get("/api/credits/balance")
        person.do_the_work(clock.now())
        credits_services.give_allowances(account_id=twin.pk, now=clock.now())
        assert not Grant.objects.filter(account_id=twin.pk).exists()
        assert Grant.objects.filter(account_id=alice.pk).count() == 1

    def test_after_the_address_was_given_away_brings_none_in_the_same_month(self, alice: Any, person: Person) -> None:
        """An erased account keeps its place by the address's digest, whatever its own address becomes."""
        credits_services.give_allowances(account_id=alice.pk, now=clock.now())
        address = alice.email
        alice.email = "erased@smartspec.test"
        alice.save(update_fields=["email"])
        alice.emailaddress_set.update(email=alice.email, verified=False)
        again = make_user(address)
        assert credits_services.give_allowances(account_id=again.pk, now=clock.now()) == []
        travel(person, clock.now() + timedelta(days=40))  # Alice's month is long over, and nobody took the next one
        assert sum(Grant.objects.filter(account_id=again.pk).values_list("credits", flat=True)) <= 20
