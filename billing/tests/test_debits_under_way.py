"""A bank debit that is under way when what it pays for changes: its money gives something, or it goes back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Customer, Subscription, SubscriptionCheckout
from billing.sandbox import store
from billing.sandbox.services import debits
from billing.tests.conftest import Travel, open_plan, pay, pay_later
from billing.tests.test_elsewhere import ENTERPRISE, update_at_stripe
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], int]
Subscribe = Callable[..., str]
DEBIT = "pm_usBankAccount_processing"


@pytest.fixture
def bank_says(run_jobs: RunJobs, django_capture_on_commit_callbacks: Any) -> Callable[[str], None]:
    """Return a function that lets the bank answer the one debit that is open."""

    def answer(outcome: Any) -> None:
        (debit,) = debits.list_open_debits()
        with django_capture_on_commit_callbacks(execute=True):
            debits.settle_debit(debit["id"], outcome=outcome, now=clock.now())
            run_jobs()

    return answer


@pytest.fixture
def bank_says_unheard() -> Callable[[], None]:
    """Return a function that lets the bank pay the one debit that is open, of which no webhook tells."""

    def answer() -> None:
        (debit,) = debits.list_open_debits()
        debits.settle_debit(debit["id"], outcome="succeed", now=clock.now())
        ProcrastinateJob.objects.all().delete()

    return answer


def differences() -> list[str]:
    found: list[str] = []
    services.reconcile(now=clock.now(), on_difference=lambda difference, _: found.append(difference.kind))
    return found


def refunded() -> list[int]:
    return [refund["amount"] for refund in store.find("refund")]


def checkout_status(client: APIClient, session_id: str) -> str:
    return str(client.get(f"/api/payment/checkout/{session_id}").json()["status"])


def end_now(client: APIClient) -> None:
    body = {"subscription_id": Subscription.objects.get().pk, "at_period_end": False}
    assert client.post("/api/payment/subscription/cancel", body).status_code == 200


def assert_books_agree() -> None:
    assert services.reconcile(now=clock.now()).remaining == 0


class TestUpgrade:
    @pytest.fixture
    def waiting(self, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs) -> str:
        """A month of Pro whose upgrade to Enterprise waits for the bank."""
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, DEBIT)
        answer = change(alice_client, subscription_id, "enterprise").json()
        assert (answer["status"], answer["credits_granted"]) == ("requires_action", 0)
        assert answer["action_url"].startswith("http")
        run_jobs()
        return subscription_id

    def test_waits_for_the_bank_and_gives_the_difference(
        self, alice: Any, waiting: str, bank_says: Callable[[str], None]
    ) -> None:
        assert (tier(alice), allowances(alice)) == ("pro", [500])
        bank_says("succeed")
        assert tier(alice) == "enterprise"
        month, upgrade = allowances(alice)
        assert month == 500
        assert 4_490 <= upgrade <= 4_500
        assert refunded() == []
        assert_books_agree()

    def test_is_not_begun_again_meanwhile(self, alice_client: APIClient, waiting: str) -> None:
        again = change(alice_client, waiting, "enterprise")
        assert (again.status_code, again.json()["code"]) == (409, "change_in_progress")

    def test_that_the_bank_refuses_leaves_the_plan_as_it_was(
        self, alice: Any, waiting: str, bank_says: Callable[[str], None]
    ) -> None:
        bank_says("fail")
        assert (tier(alice), allowances(alice)) == ("pro", [500])
        assert_books_agree()

    def test_that_stripe_gave_up_before_the_bank_paid_goes_back(
        self, alice: Any, waiting: str, travel: Travel, bank_says: Callable[[str], None], mailoutbox: list[Any]
    ) -> None:
        travel(clock.now() + timedelta(hours=24))
        mailoutbox.clear()
        bank_says("succeed")
        assert (tier(alice), allowances(alice)) == ("pro", [500])
        (cents,) = refunded()
        assert 16_900 <= cents <= 17_000
        (message,) = mailoutbox
        assert message.subject.startswith("Your refund of $1")
        assert "Your credits stay as they are." in message.body
        assert_books_agree()

    def test_made_in_the_portal_that_stripe_gave_up_goes_back_as_well(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        travel: Travel,
        bank_says: Callable[[str], None],
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, DEBIT)
        update_at_stripe(
            subscription_id, ENTERPRISE, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
        )
        travel(clock.now() + timedelta(hours=24))
        bank_says("succeed")
        assert (tier(alice), len(refunded())) == ("pro", 1)
        assert_books_agree()


class TestFirstPayment:
    @pytest.fixture
    def session_id(self, alice_client: APIClient, run_jobs: RunJobs) -> str:
        """A year of Pro whose first debit is open."""
        opened = open_plan(alice_client, "pro", "yearly")
        pay_later(opened)
        run_jobs()
        return opened

    def test_of_a_plan_that_ended_meanwhile_gives_its_month(
        self, alice: Any, alice_client: APIClient, session_id: str, bank_says: Callable[[str], None]
    ) -> None:
        end_now(alice_client)
        bank_says("succeed")
        assert (tier(alice), allowances(alice), refunded()) == ("free", [500], [])
        assert checkout_status(alice_client, session_id) == "fulfilled"
        assert_books_agree()

    def test_of_somebody_who_was_erased_meanwhile_is_booked_to_the_account_without_a_name(
        self, alice: Any, alice_client: APIClient, session_id: str, run_jobs: RunJobs, bank_says: Callable[[str], None]
    ) -> None:
        assert alice_client.delete("/api/me").status_code == 204
        run_jobs()
        bank_says("succeed")
        assert allowances(alice) == [500]
        assert_books_agree()

    def test_that_fails_is_no_longer_to_be_paid(
        self, alice_client: APIClient, session_id: str, bank_says: Callable[[str], None]
    ) -> None:
        end_now(alice_client)
        bank_says("fail")
        assert [invoice["status"] for invoice in store.find("invoice")] == ["void"]
        assert checkout_status(alice_client, session_id) == "failed"
        assert_books_agree()

    def test_whose_invoice_staff_voided_goes_back_and_fulfils_nothing(
        self, alice: Any, alice_client: APIClient, session_id: str, bank_says: Callable[[str], None]
    ) -> None:
        gateway.void_invoice(store.get("checkout.session", session_id)["invoice"])
        bank_says("succeed")
        assert (allowances(alice), refunded()) == ([], [29_000])
        assert checkout_status(alice_client, session_id) == "failed"
        for intent in store.find("payment_intent"):  # and again, as often as one likes
            services.settle_payment(payment_intent_id=intent["id"], now=clock.now())
        assert refunded() == [29_000]
        assert_books_agree()

    def test_whose_invoice_staff_voided_is_found_by_the_daily_comparison(
        self, alice_client: APIClient, session_id: str, bank_says: Callable[[str], None]
    ) -> None:
        gateway.void_invoice(store.get("checkout.session", session_id)["invoice"])
        services.reconcile(now=clock.now())
        (debit,) = debits.list_open_debits()
        paid_at = clock.now() + timedelta(days=9)
        debits.settle_debit(debit["id"], outcome="succeed", now=paid_at)
        ProcrastinateJob.objects.all().delete()
        found: list[str] = []
        services.reconcile(now=paid_at, on_difference=lambda difference, _: found.append(difference.kind))
        assert "paid_not_owed" in found
        assert services.reconcile(now=paid_at, is_repair=True).remaining == 0
        assert refunded() == [29_000]
        assert SubscriptionCheckout.objects.get().state == "failed"
        assert services.reconcile(now=paid_at, is_repair=True).repaired == 0


class TestRenewal:
    @pytest.fixture
    def renewed(self, alice_client: APIClient, subscribe: Subscribe, travel: Travel) -> None:
        """A month of Pro whose renewal waits for the bank."""
        use_card(subscribe(alice_client), DEBIT)
        travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        assert len(debits.list_open_debits()) == 1

    def test_of_a_plan_that_ended_meanwhile_gives_its_month(
        self, alice: Any, alice_client: APIClient, renewed: None, bank_says: Callable[[str], None]
    ) -> None:
        end_now(alice_client)
        bank_says("succeed")
        assert (tier(alice), allowances(alice), refunded()) == ("free", [500, 500], [])
        assert_books_agree()

    def test_of_a_plan_that_ended_long_before_the_bank_paid_unheard_is_found_by_the_daily_comparison(
        self, alice: Any, alice_client: APIClient, renewed: None, travel: Travel, bank_says_unheard: Callable[[], None]
    ) -> None:
        end_now(alice_client)
        for _ in range(8):
            travel(clock.now() + timedelta(days=1))
            assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        bank_says_unheard()
        assert differences() == ["paid_not_granted"]
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert (allowances(alice), refunded()) == ([500, 500], [])

    def test_that_fails_is_no_longer_to_be_paid(
        self, alice_client: APIClient, renewed: None, bank_says: Callable[[str], None]
    ) -> None:
        end_now(alice_client)
        bank_says("fail")
        assert sorted(invoice["status"] for invoice in store.find("invoice")) == ["paid", "void"]
        assert_books_agree()


class TestSecondSubscription:
    @pytest.fixture
    def sessions(self, alice_client: APIClient) -> tuple[str, str]:
        """A month and a year of Pro, both open."""
        first = open_plan(alice_client)
        SubscriptionCheckout.objects.update(state="processing")  # so that the second one's opening cannot expire it
        return first, open_plan(alice_client, "pro", "yearly")

    @pytest.fixture
    def paid_by_debit(self, sessions: tuple[str, str], run_jobs: RunJobs) -> str:
        """The year, whose debit is under way beside a month that is paid."""
        first, second = sessions
        pay(first)
        run_jobs()
        pay_later(second)
        run_jobs()
        return second

    @pytest.fixture
    def second_id(self, alice_client: APIClient, subscribe: Subscribe) -> str:
        """A second subscription that staff made, paid in part from the customer's balance. We have not heard of it."""
        subscribe(alice_client)
        api, customer_id = gateway.client().v1, Customer.objects.get().pk
        api.customers.update(customer_id, {"balance": -1_000})
        values: Any = {"customer": customer_id, "items": [{"price": ENTERPRISE}]}
        card = api.payment_methods.attach("pm_card_visa", {"customer": customer_id})
        second = api.subscriptions.create(values | {"default_payment_method": card.id})
        ProcrastinateJob.objects.all().delete()
        return second.id

    def test_paid_by_debit_goes_back(
        self, alice: Any, alice_client: APIClient, paid_by_debit: str, bank_says: Callable[[str], None]
    ) -> None:
        bank_says("succeed")
        assert (allowances(alice), refunded()) == ([500], [29_000])
        assert checkout_status(alice_client, paid_by_debit) == "failed"
        assert_books_agree()

    def test_paid_by_debit_unheard_goes_back_by_the_daily_comparison(
        self, alice: Any, paid_by_debit: str, travel: Travel, bank_says_unheard: Callable[[], None]
    ) -> None:
        for _ in range(8):
            travel(clock.now() + timedelta(days=1))
            assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        bank_says_unheard()
        assert differences() == ["paid_not_owed"]
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert (allowances(alice), refunded()) == ([500], [29_000])
        assert_books_agree()

    def test_whose_refund_failed_until_its_end_was_noted_goes_back_by_the_daily_comparison(
        self, alice: Any, alice_client: APIClient, sessions: tuple[str, str], run_jobs: RunJobs, settings: Any
    ) -> None:
        first, second = sessions
        pay(first)
        run_jobs()
        pay(second)
        ProcrastinateJob.objects.all().delete()
        working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoRefunds"
        for _ in range(2):
            assert alice_client.get(f"/api/payment/checkout/{second}").status_code == 502
        settings.STRIPE_HTTP_CLIENT = working
        assert (Subscription.objects.get(is_surplus=True).status, refunded()) == ("canceled", [])
        assert "paid_not_owed" in differences()
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert (allowances(alice), refunded()) == ([500], [29_000])
        assert_books_agree()

    def test_whose_part_from_the_balance_was_not_given_back_gets_it_by_the_daily_comparison(
        self, second_id: str, settings: Any
    ) -> None:
        working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoBalances"
        for _ in range(2):
            with pytest.raises(gateway.StripeUnavailable):
                services.sync_subscription(subscription_id=second_id, now=clock.now())
        settings.STRIPE_HTTP_CLIENT = working
        customer_id = Customer.objects.get().pk
        assert store.get("customer", customer_id)["balance"] == 0
        assert differences() == ["paid_not_owed"]
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert (store.get("customer", customer_id)["balance"], refunded()) == (-1_000, [18_900])
        assert_books_agree()

    def test_is_told_whole_though_we_were_cut_off_when_the_balance_had_its_part(
        self,
        second_id: str,
        settings: Any,
        mailoutbox: list[Any],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        working = settings.STRIPE_HTTP_CLIENT
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.BalancesWithoutAnswers"
        with pytest.raises(gateway.StripeUnavailable):
            services.sync_subscription(subscription_id=second_id, now=clock.now())
        settings.STRIPE_HTTP_CLIENT = working
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            services.sync_subscription(subscription_id=second_id, now=clock.now())
        (message,) = mailoutbox
        assert "refunded $199 in full" in message.body
        assert (store.get("customer", Customer.objects.get().pk)["balance"], refunded()) == (-1_000, [18_900])
