"""manage.py setup_stripe: creates what is missing, once."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.test import Client

from billing import services
from billing.sandbox import store
from smartspec.users.models import User

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("setup_stripe", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def count(kind: str) -> int:
    return len(list(store.find(kind)))


class TestSetup:
    def test_finds_what_is_there_and_prints_the_environment(self, settings: Any) -> None:
        output = run()
        for plan, interval in settings.STRIPE_PRICES:
            assert f"STRIPE_PRICE_{plan.upper()}_{interval.upper()}=price_smartspec_{plan}_{interval}" in output
        assert "STRIPE_PORTAL_CONFIGURATION=bpc_" in output
        assert count("price") == 4
        assert count("webhook_endpoint") == 1

    def test_does_nothing_the_second_time(self) -> None:
        run()
        kinds = ("product", "price", "webhook_endpoint", "billing_portal.configuration")
        before = [count(kind) for kind in kinds]
        assert "0 change(s) made." in run()
        assert [count(kind) for kind in kinds] == before

    def test_only_says_what_it_would_do_in_a_dry_run(self) -> None:
        output = run("--dry-run")
        assert "would create portal configuration" in output
        assert count("billing_portal.configuration") == 0

    def test_builds_everything_in_an_empty_account(self, settings: Any) -> None:
        for kind in ("price", "product", "webhook_endpoint"):
            store.rows(kind).delete()
        output = run()
        assert count("product") == 2
        assert sorted(price["unit_amount"] for price in store.find("price")) == [2900, 19_900, 29_000, 199_000]
        assert "STRIPE_WEBHOOK_SECRET=whsec_" in output
        (endpoint,) = store.find("webhook_endpoint")
        assert endpoint["url"] == f"{settings.SITE_URL}/api/webhooks/stripe"
        assert {"checkout.session.completed", "invoice.paid", "refund.created"} <= set(endpoint["enabled_events"])

    def test_replaces_a_price_that_differs_from_the_plan(self) -> None:
        price = store.get("price", "price_smartspec_pro_monthly")
        store.save(price | {"unit_amount": 1900, "unit_amount_decimal": "1900"})
        assert len(services.compare_prices()) == 1
        output = run()
        assert "replace price smartspec_pro_monthly" in output
        assert "STRIPE_PRICE_PRO_MONTHLY=price_smartspec_pro_monthly" not in output
        assert "at Stripe, but the plan costs 2900" in output.replace("\n", " ")

    def test_brings_the_portal_up_to_our_rules(self) -> None:
        run()
        (made,) = store.find("billing_portal.configuration")
        store.save(made | {"metadata": {"smartspec": "1"}, "features": made["features"] | {"subscription_update": {}}})
        assert "update portal configuration" in run()
        (changed,) = store.find("billing_portal.configuration")
        rule = changed["features"]["subscription_update"]
        assert rule["enabled"]
        assert [product["prices"] for product in rule["products"]] == [
            ["price_smartspec_pro_monthly"],  # a year of Pro is left to us
            ["price_smartspec_enterprise_monthly", "price_smartspec_enterprise_yearly"],
        ]
        assert "0 change(s) made." in run()

    def test_says_that_stripe_is_down(self, settings: Any) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        with pytest.raises(CommandError, match="cannot be reached"):
            run()


class TestComparingPrices:
    def test_finds_nothing_where_all_agree(self) -> None:
        assert services.compare_prices() == []

    def test_names_a_price_that_does_not_exist(self, settings: Any) -> None:
        settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "monthly"): "price_gone"}
        (difference,) = services.compare_prices()
        assert "STRIPE_PRICE_PRO_MONTHLY" in difference
        assert "price_gone" in difference


def test_can_be_run_before_there_is_the_secret_that_it_prints(settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = []
    settings.STRIPE_PRICES = dict.fromkeys(settings.STRIPE_PRICES, "")
    said = StringIO()
    command = load_command_class("billing", "setup_stripe")
    command.execute(dry_run=True, skip_checks=False, force_color=False, no_color=True, stdout=said)
    assert "For the environment" in said.getvalue()


def test_says_what_to_do_on_an_empty_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE credits_plan RENAME TO a_table_that_is_still_to_come")
    with pytest.raises(CommandError, match="migrate --skip-checks"):
        call_command("setup_stripe", "--dry-run")


class TestPlansPage:
    def test_says_whether_its_prices_are_stripes(self, alice: User, settings: Any) -> None:
        User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
        staff = Client()
        staff.force_login(User.objects.get(pk=alice.pk))

        def shown(plan: str) -> str:
            return staff.get(f"/admin/credits/plan/{plan}/change/").content.decode()

        assert shown("pro").count(">the same<") == 2
        assert "Prices at Stripe" not in shown("free")
        price = store.get("price", settings.STRIPE_PRICES["pro", "monthly"])
        store.save(price | {"unit_amount": 1900, "unit_amount_decimal": "1900"})
        assert "is 1900 usd at Stripe, but the plan costs 2900 usd monthly." in shown("pro")
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        assert "Stripe cannot be asked right now" in shown("pro")
