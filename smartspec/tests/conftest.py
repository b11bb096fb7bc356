"""What the tests of the whole API share: somebody who has one of everything."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from billing.sandbox import seed as sandbox_seed
from billing.tests.conftest import open_credits, open_plan, pay
from media import services as media_services
from smartspec import clock
from smartspec.users import services as users_services

Ids = dict[str, list[str]]
HOLDS = "/api/credits/holds"


@pytest.fixture
def ids(alice: Any, alice_client: APIClient, worker_client: APIClient, run_jobs: Callable[..., int]) -> Ids:
    """What Alice has, by the name of what asks for it: made-up ids alone would find nothing."""
    now = clock.now()
    sandbox_seed.seed(now, f"{settings.SITE_URL}/api/webhooks/stripe")
    pay(open_plan(alice_client))
    bought = open_credits(alice_client)
    pay(bought)
    run_jobs(skip=("billing.tasks.mirror_event",))
    order = {"user_id": str(alice.pk), "operation": "image_generation", "reference_id": "job"}
    holds = [worker_client.post(HOLDS, order, headers={"Idempotency-Key": key}).json()["id"] for key in "123"]
    worker_client.post(f"{HOLDS}/{holds[0]}/capture")
    upload = media_services.create_upload(
        user_id=alice.pk, filename="cat.png", content_type="image/png", size_bytes=1000, kind="image", now=now
    )
    key = users_services.create_user_key(user=alice, name="script", scopes=["read"], expires_at=None, now=now)
    (method,) = alice_client.get("/api/payment/payment-methods").json()["payment_methods"]
    return {
        "user_id": [str(alice.pk)],
        "hold_id": holds,
        "id": holds,
        "asset_id": [str(upload.asset.pk)],
        "key_id": [str(key.key.pk)],
        "session_id": [bought, open_credits(alice_client)],
        "payment_method_id": [method["id"]],
        "subscription_id": [alice_client.get("/api/payment/subscription").json()["id"]],
    }
