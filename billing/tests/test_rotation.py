"""Stripe's keys are rolled while people pay: nothing is missed, and what is old opens nothing afterwards."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from djstripe.models import APIKey, PaymentIntent, WebhookEventTrigger
from rest_framework.test import APIClient

from billing import gateway
from billing.models import Purchase, WebhookRefusal
from billing.sandbox import store
from billing.sandbox.client import InProcessClient
from billing.sandbox.services.deliveries import sign
from billing.tests.conftest import open_credits, pay
from credits import services as credits_services
from credits.models import Grant
from smartspec import clock
from smartspec.testing import make_user

pytestmark = pytest.mark.django_db

NEW_KEY = "sk_test_" + "rolled" + "0" * 18
OLD_SECRET, NEW_SECRET = "whsec_sandbox", "whsec_rolled"
_revoked: set[str] = set()


class StripeThatRevokes(InProcessClient):
    """The sandbox, to which a revoked key is none."""

    name = "stripe-that-revokes"

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, *rest: Any, **options: Any) -> Any:
        key = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        if key in _revoked:
            error = {"type": "invalid_request_error", "code": "api_key_expired", "message": "Expired API Key provided."}
            return json.dumps({"error": error}), 401, {}
        return super().request(method, url, headers, *rest, **options)


@pytest.fixture
def revoke(settings: Any) -> Iterator[Callable[[str], None]]:
    """Return a function that ends a key at Stripe."""
    gateway.configure_library()
    settings.STRIPE_HTTP_CLIENT = f"{__name__}.StripeThatRevokes"
    gateway.configure_library()
    yield _revoked.add
    _revoked.clear()
    settings.STRIPE_HTTP_CLIENT = "billing.sandbox.client.InProcessClient"
    gateway.configure_library()


class TestSecretKey:
    @pytest.mark.parametrize("kind", ["sk", "rk"])
    def test_is_rolled_while_people_pay(
        self,
        kind: str,
        alice: Any,
        alice_client: APIClient,
        run_jobs: Callable[..., int],
        revoke: Callable[[str], None],
        settings: Any,
    ) -> None:
        old = f"{kind}_test_" + "before" + "0" * 18
        settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = old
        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        assert list(APIKey.objects.values_list("secret", flat=True)) == [old]

        under_way = open_credits(alice_client)
        new = NEW_KEY.replace("sk_", f"{kind}_")
        settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = new
        pay(open_credits(alice_client))
        revoke(old)
        pay(under_way)
        run_jobs(mirror=True)

        assert Purchase.objects.filter(state="fulfilled").count() == PaymentIntent.objects.count() == 3
        assert not WebhookEventTrigger.objects.filter(processed=False).exists()
        assert list(APIKey.objects.values_list("secret", flat=True)) == [new]

    def test_that_was_revoked_too_early_loses_nothing(
        self,
        alice: Any,
        alice_client: APIClient,
        run_jobs: Callable[..., int],
        revoke: Callable[[str], None],
        settings: Any,
    ) -> None:
        pay(open_credits(alice_client))
        revoke(settings.STRIPE_SECRET_KEY)
        with pytest.raises(gateway.PaymentsNotConfigured):
            run_jobs()  # a worker tries again for three days
        settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = NEW_KEY
        run_jobs(mirror=True)
        assert sum(Grant.objects.filter(account_id=alice.pk).values_list("credits", flat=True)) == 105


class TestWebhookSecret:
    def deliver(self, *secrets: str) -> int:
        """Deliver an event with a signature by each of the secrets, as Stripe does while one is rolled."""
        body = json.dumps(next(iter(store.find("event")))).encode()
        timestamp = int(clock.now().timestamp())
        signatures = [sign(body, secret=secret, timestamp=timestamp).partition(",")[2] for secret in secrets]
        header = ",".join([f"t={timestamp}", *signatures])
        headers = {"Stripe-Signature": header}
        answer = Client().post("/api/webhooks/stripe", body, content_type="application/json", headers=headers)
        return answer.status_code

    def test_is_rolled_without_a_webhook_missed(self, alice_client: APIClient, settings: Any) -> None:
        pay(open_credits(alice_client))
        assert self.deliver(OLD_SECRET) == 200

        settings.STRIPE_WEBHOOK_SECRETS = [NEW_SECRET, OLD_SECRET]
        assert self.deliver(OLD_SECRET) == 200  # not rolled at Stripe yet
        assert self.deliver(OLD_SECRET, NEW_SECRET) == 200  # Stripe signs by both
        assert self.deliver(NEW_SECRET) == 200

        settings.STRIPE_WEBHOOK_SECRETS = [NEW_SECRET]
        assert self.deliver(OLD_SECRET, NEW_SECRET) == 200
        assert self.deliver(NEW_SECRET) == 200
        assert not WebhookRefusal.objects.exists()
        assert self.deliver(OLD_SECRET) == 400
        assert WebhookRefusal.objects.get().cause == "bad_signature"


class TestAddressHashKey:
    """It is never changed, and this is why: who had Free's credits, and left, would have them again."""

    def test_that_changes_forgets_who_had_frees_credits(self, alice: Any, settings: Any) -> None:
        assert self.free_credits(alice) == 10
        assert self.free_credits(make_user("alice+again@smartspec.test")) == 0
        settings.ADDRESS_HASH_KEY = "another " * 8
        assert self.free_credits(alice) == 10  # an account has each of its periods once, whatever the key
        assert self.free_credits(make_user("alice+once-more@smartspec.test")) == 10

    def free_credits(self, user: Any) -> Decimal:
        credits_services.give_allowances(account_id=user.pk, now=clock.now())
        return sum(Grant.objects.filter(account_id=user.pk).values_list("credits", flat=True), Decimal(0))
