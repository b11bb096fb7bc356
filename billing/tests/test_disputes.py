"""Payments that a bank disputes: the whole life of a dispute, in credits and in freezing."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import services
from billing.models import Dispute, Purchase
from billing.sandbox import store
from billing.sandbox.services import disputes
from billing.tests.conftest import open_credits, pay
from billing.tests.test_refunds import ALL, balance, become, deliver, money_events, refund_at_stripe
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec import clock

pytestmark = pytest.mark.django_db


def is_frozen(user: Any) -> bool:
    return credits_selectors.is_frozen(account_id=user.pk)


def open_dispute(purchase: Purchase, **fields: Any) -> str:
    charge = store.get("payment_intent", purchase.payment_intent_id)["latest_charge"]
    return str(disputes.open_dispute(charge, now=clock.now(), **fields)["id"])


def close(dispute_id: str, outcome: Any) -> None:
    disputes.close_dispute(dispute_id, now=clock.now(), outcome=outcome)


@pytest.fixture
def purchase(alice_client: APIClient, run_jobs: Callable[[], int]) -> Purchase:
    """A bought package."""
    session_id = open_credits(alice_client, 100)
    pay(session_id)
    run_jobs()
    return Purchase.objects.get(session_id=session_id)


class TestDispute:
    def test_opened_takes_the_credits_and_freezes(
        self, alice: Any, alice_client: APIClient, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        dispute_id = open_dispute(purchase)
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (0, True)
        dispute = Dispute.objects.get(pk=dispute_id)
        assert (dispute.purchase, dispute.amount_cents, dispute.reason) == (purchase, 900, "fraudulent")
        assert dispute.evidence_due_at is not None
        answer = alice_client.post("/api/payment/checkout/credits", {"credits_amount": 100})
        assert answer.json()["code"] == "account_frozen"

    def test_of_a_part_takes_its_share(self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]) -> None:
        open_dispute(purchase, amount=450)
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (Decimal("52.5"), True)

    def test_won_gives_back_and_thaws(self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]) -> None:
        dispute_id = open_dispute(purchase)
        run_jobs()
        close(dispute_id, "won")
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (ALL, False)
        deliver(money_events(), run_jobs)
        assert (balance(alice), is_frozen(alice)) == (ALL, False)

    def test_lost_is_final_and_staff_lift_the_freeze(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        dispute_id = open_dispute(purchase)
        close(dispute_id, "lost")
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (0, True)
        credits_services.thaw(account_id=alice.pk, cause=f"dispute:{dispute_id}", now=clock.now())
        deliver(money_events(), run_jobs)
        assert (balance(alice), is_frozen(alice)) == (0, False)

    def test_ends_the_same_in_any_order_delivered_twice(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        ProcrastinateJob.objects.all().delete()
        purchase = Purchase.objects.get()
        purchase.payment_intent_id = store.get("checkout.session", session_id)["payment_intent"]
        close(open_dispute(purchase), "won")
        ProcrastinateJob.objects.all().delete()
        found = money_events()
        assert len(found) == 5
        for order in itertools.islice(itertools.permutations(found), 0, None, 17):
            with transaction.atomic():
                deliver([*order, order[0]], run_jobs)
                assert (balance(alice), is_frozen(alice)) == (ALL, False)
                transaction.set_rollback(True)

    def test_beside_a_refund_takes_only_the_rest_and_gives_only_that_back(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]
    ) -> None:
        refund_id = refund_at_stripe(purchase.payment_intent_id, 450)
        run_jobs()
        dispute_id = open_dispute(purchase, amount=900)
        run_jobs()
        assert balance(alice) == 0
        become(refund_id, "failed")
        run_jobs()
        assert balance(alice) == 0  # the dispute is of the whole price
        close(dispute_id, "won")
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (ALL, False)

    def test_of_nobody_of_ours_is_left_alone(self) -> None:
        from billing import gateway

        intent = gateway.client().v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
        dispute = disputes.open_dispute(str(intent.latest_charge), now=clock.now())
        assert services.settle_dispute(dispute_id=dispute["id"], now=clock.now()) is None
        assert not Dispute.objects.exists()


class TestInquiry:
    def test_is_only_noted(
        self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int], caplog: pytest.LogCaptureFixture
    ) -> None:
        dispute_id = open_dispute(purchase, is_inquiry=True)
        with caplog.at_level("WARNING"):
            run_jobs()
        assert "Inquiry about a payment" in caplog.text
        assert (balance(alice), is_frozen(alice)) == (ALL, False)
        assert Dispute.objects.get().status == "warning_needs_response"
        close(dispute_id, None)
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (ALL, False)
        assert Dispute.objects.get().status == "warning_closed"

    def test_that_becomes_a_dispute_is_one(self, alice: Any, purchase: Purchase, run_jobs: Callable[[], int]) -> None:
        dispute_id = open_dispute(purchase, is_inquiry=True)
        run_jobs()
        disputes.escalate_inquiry(dispute_id, now=clock.now())
        run_jobs()
        assert (balance(alice), is_frozen(alice)) == (0, True)
