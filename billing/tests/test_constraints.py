"""What the database itself refuses, going around the services."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from billing.models import Customer, Package, PaidInvoice, Purchase, Subscription
from billing.tests.conftest import open_credits
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]


def refused(constraint: str, write: Callable[[], object]) -> bool:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        write()
    return True


class TestPackage:
    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("package_gives_credits", {"credits": 0}),
            ("package_costs_money", {"price_cents": 0}),
            ("package_currency_is_lower_case", {"currency": "USD"}),
            ("package_credits_unique", {"credits": 250}),
            ("package_one_best_value", {"is_best_value": True}),
        ],
    )
    def test_is_sound(self, constraint: str, change: dict[str, Any]) -> None:
        assert refused(constraint, lambda: Package.objects.filter(pk="basic").update(**change))


class TestPurchase:
    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("purchase_state_known", {"state": "paid"}),
            ("purchase_gives_credits", {"credits": 0}),
            ("purchase_costs_money", {"price_cents": 0}),
            ("purchase_bonus_only_with_package", {"package": None}),
            ("purchase_fulfilled_was_paid", {"state": "fulfilled"}),
            ("purchase_fulfilled_was_paid", {"fulfilled_at": "2026-03-10T12:00Z"}),
            ("purchase_review_has_reason", {"state": "needs_review"}),
        ],
    )
    def test_is_sound(self, alice_client: APIClient, constraint: str, change: dict[str, Any]) -> None:
        open_credits(alice_client, 100)
        assert refused(constraint, lambda: Purchase.objects.update(**change))

    def test_has_its_key_and_its_session_alone(self, alice: Any, alice_client: APIClient) -> None:
        for _ in range(2):
            open_credits(alice_client, 100)
        assert refused("session_id", lambda: Purchase.objects.update(session_id="cs_same"))
        assert refused("purchase_idempotency_key_unique", lambda: Purchase.objects.update(idempotency_key="same"))


class TestSubscription:
    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("subscription_interval_known", {"interval": "weekly"}),
            ("subscription_period_forward", {"current_period_end": "2020-01-01T00:00Z"}),
            ("subscription_ended_has_time", {"status": "canceled"}),
            ("subscription_ended_has_time", {"ended_at": "2026-03-10T12:00Z"}),
            ("subscription_pending_whole", {"pending_plan": "pro"}),
        ],
    )
    def test_is_sound(
        self, alice_client: APIClient, subscribe: Subscribe, constraint: str, change: dict[str, Any]
    ) -> None:
        subscribe(alice_client)
        assert refused(constraint, lambda: Subscription.objects.update(**change))

    def test_is_the_only_one_that_is_not_ended(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscribe(alice_client)
        row = Subscription.objects.get()
        row.pk = "sub_second"
        assert refused("subscription_one_not_ended_per_user", lambda: row.save(force_insert=True))

    def test_has_sound_invoices(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscribe(alice_client)
        assert refused("paid_invoice_period_whole", lambda: PaidInvoice.objects.update(period_start=None))
        assert refused("paid_invoice_upgrade_whole", lambda: PaidInvoice.objects.update(upgraded_from="pro"))


class TestCustomer:
    def test_is_one_per_user_and_stripes(self, alice: Any, alice_client: APIClient) -> None:
        open_credits(alice_client)
        now = clock.now()
        assert refused("user_id", lambda: Customer.objects.create(pk="cus_second", user=alice, created_at=now))
        assert refused("customer_id_is_stripes", lambda: Customer.objects.update(id="x"))
