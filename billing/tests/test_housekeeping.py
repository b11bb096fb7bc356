"""What is checked and cleared without anybody asking, and which settings are refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from djstripe.models import Event, WebhookEventTrigger
from rest_framework.test import APIClient

from billing import checks, services, tasks
from billing.models import Webhook, WebhookRefusal
from billing.tests.conftest import open_credits, pay
from smartspec import clock

pytestmark = pytest.mark.django_db


class TestClearing:
    def test_takes_what_is_old_and_done_with(self) -> None:
        now = clock.now()
        old = now - timedelta(days=31)
        for minute_at in (old, now):
            WebhookRefusal.objects.create(minute_at=minute_at, cause="stale", count=1)
        for processed, created in ((True, old), (True, now), (False, old)):
            trigger = WebhookEventTrigger.objects.create(
                remote_ip="127.0.0.1", headers={}, body="{}", valid=True, processed=processed
            )
            WebhookEventTrigger.objects.filter(pk=trigger.pk).update(created=created)
        assert services.clear_old_webhooks(now=now) == {"refusals": 1, "webhooks": 1, "events": 0}
        assert WebhookEventTrigger.objects.filter(processed=False).count() == 1
        tasks.clear_old(0)
        assert WebhookRefusal.objects.count() == 1

    def test_takes_the_copies_of_events_too(self, alice_client: APIClient, run_jobs: Callable[..., int]) -> None:
        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        kept = WebhookEventTrigger.objects.count()
        assert Event.objects.count() == kept > 0
        assert services.clear_old_webhooks(now=clock.now() + timedelta(days=29))["events"] == 0
        cleared = services.clear_old_webhooks(now=clock.now() + timedelta(days=31))
        assert (cleared["webhooks"], cleared["events"]) == (kept, kept)
        assert not Webhook.objects.exists()

    def test_leaves_what_was_mirrored_and_had_no_effect_yet(
        self, alice_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        Webhook.objects.filter(event_type="checkout.session.completed").update(processed_at=None)
        services.clear_old_webhooks(now=clock.now() + timedelta(days=31))
        (kept,) = Webhook.objects.all()
        assert kept.event_type == "checkout.session.completed"
        assert list(Event.objects.values_list("id", flat=True)) == [kept.event_id]

    def test_goes_by_the_setting(self, settings: Any) -> None:
        settings.WEBHOOKS_KEPT_DAYS = 2
        WebhookRefusal.objects.create(minute_at=clock.now() - timedelta(days=3), cause="stale", count=1)
        assert services.clear_old_webhooks(now=clock.now())["refusals"] == 1


class TestPriceWatch:
    def test_says_in_the_log_where_a_price_differs(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        tasks.compare_prices(0)
        assert not [record for record in caplog.records if "Price differs" in str(record.msg)]
        settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "yearly"): "price_smartspec_pro_monthly"}
        tasks.compare_prices(0)
        assert [record for record in caplog.records if "Price differs" in str(record.msg)]


class TestChecks:
    def found(self) -> set[str | None]:
        return {message.id for message in checks.check_payment_settings(None)}

    def test_find_nothing_in_the_sandbox(self) -> None:
        assert self.found() == set()

    def test_tell_production_without_a_key(self, settings: Any) -> None:
        settings.STRIPE_SECRET_KEY, settings.PRODUCTION = "", True
        assert self.found() == {"billing.W001"}

    @pytest.mark.parametrize("secret", ["whsec_sandbox", "secret"])
    def test_refuse_a_webhook_secret_that_is_not_stripes(self, settings: Any, secret: str) -> None:
        settings.PRODUCTION, settings.STRIPE_WEBHOOK_SECRETS = True, ["whsec_of_the_endpoint"]
        assert "billing.E006" not in self.found()
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_of_the_endpoint", secret]
        assert "billing.E006" in self.found()

    def test_tell_what_is_missing_beside_a_key(self, settings: Any) -> None:
        settings.STRIPE_PUBLISHABLE_KEY = ""
        settings.STRIPE_WEBHOOK_SECRETS = []
        settings.STRIPE_PRICES = settings.STRIPE_PRICES | {("pro", "yearly"): ""}
        assert self.found() == {"billing.W002", "billing.E002", "billing.W003"}

    def test_refuse_keys_of_two_modes_and_live_money_without_https(self, settings: Any) -> None:
        settings.STRIPE_LIVE_MODE = True
        assert self.found() == {"billing.E001", "billing.E003"}
