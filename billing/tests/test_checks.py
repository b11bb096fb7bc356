"""One database, one Stripe: the sandbox and a real account never meet."""

from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from billing import gateway
from billing.checks import check_payment_settings
from billing.models import Customer

pytestmark = pytest.mark.django_db


def check() -> None:
    call_command("check", databases=["default"], tags=["database"], stdout=StringIO())


class TestDatabaseOfTheSandbox:
    @pytest.fixture(autouse=True)
    def customer_in_the_sandbox(self) -> None:
        gateway.call(lambda stripe: stripe.v1.customers.create({"email": "alice@smartspec.test"}))

    def test_goes_on_with_the_sandbox(self) -> None:
        check()

    def test_is_refused_with_a_real_key(self, settings: Any) -> None:
        settings.STRIPE_SANDBOX = False
        with pytest.raises(SystemCheckError, match=r"billing\.E005"):
            check()


class TestDatabaseOfARealAccount:
    @pytest.fixture(autouse=True)
    def customer_of_a_real_account(self, alice: Any, now: datetime) -> None:
        Customer.objects.create(id="cus_ofARealAccount", user=alice, created_at=now)

    def test_goes_on_with_its_key(self, settings: Any) -> None:
        settings.STRIPE_SANDBOX = False
        check()

    def test_is_refused_with_the_sandbox(self) -> None:
        with pytest.raises(SystemCheckError, match=r"billing\.E004"):
            check()


def test_two_plans_of_one_price_are_refused(settings: Any) -> None:
    same = dict.fromkeys([("pro", "monthly"), ("enterprise", "monthly")], "price_1")
    settings.STRIPE_PRICES = settings.STRIPE_PRICES | same
    assert "billing.E007" in [message.id for message in check_payment_settings(None)]
