"""Two workers run every periodic task at the same moment: what comes of it is what one would have done."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connections
from procrastinate.contrib.django import app
from rest_framework.test import APIClient

from billing.models import Purchase, WebhookRefusal
from billing.tests.conftest import open_credits, pay
from credits import selectors, services
from credits.models import Entry, Grant
from media import services as media_services
from media.storage import get_r2_client
from smartspec import clock

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 2
# Asks the queue itself, in its own loop; that a stalled job is started again once is its own test.
ASYNC = {"smartspec.tasks.rescue_stalled_jobs"}
DAY = timedelta(days=1)
FILE = b"\x89PNG\r\n\x1a\n" + b"\0" * 10_000_000


def run_at_once(task: Callable[..., Any]) -> None:
    """Run a task in two threads that start together; raise what either raises."""
    ready = threading.Barrier(WORKERS)

    def run() -> None:
        try:
            ready.wait(10)
            task(timestamp=0)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        for worker in [pool.submit(run) for _ in range(WORKERS)]:
            worker.result()


def leave_work_for_everybody(user: Any, client: APIClient) -> None:
    """A hold and a lot whose time is over, a file of last week, a payment that nobody heard of, an old count."""
    now = clock.now()
    for source, expires_at in (("kept", None), ("ends", now - DAY)):
        services.grant(
            account_id=user.pk,
            kind="bonus",
            credits=Decimal(100),
            source=source,
            expires_at=expires_at,
            now=now - 3 * DAY,
        )
    services.place_hold(
        account_id=user.pk, operation="image_generation", reference_id="j", idempotency_key="j", now=now - 2 * DAY
    )
    announced = media_services.create_upload(
        user_id=user.pk,
        filename="a.bin",
        content_type="image/png",
        size_bytes=len(FILE),
        kind="image",
        now=now - 3 * DAY,
    )
    get_r2_client().upload_fileobj(fileobj=BytesIO(FILE), key=announced.asset.key, content_type="image/png")
    media_services.complete_upload(asset_id=str(announced.asset.pk), now=now - 3 * DAY)
    pay(open_credits(client))
    WebhookRefusal.objects.create(minute_at=now - 60 * DAY, cause="stale", count=1)


def test_every_periodic_task_by_two_workers_at_once(
    alice: Any, alice_client: APIClient, mailoutbox: list[EmailMessage]
) -> None:
    leave_work_for_everybody(alice, alice_client)
    periodic = {entry.task.name: entry.task for entry in app.periodic_registry.periodic_tasks.values()}
    assert len(periodic) > 15
    for name in sorted(set(periodic) - ASYNC):
        run_at_once(periodic[name].func)

    entries = Counter(Entry.objects.filter(account_id=alice.pk).values_list("entry_type", flat=True))
    days = list(Entry.objects.filter(account_id=alice.pk, entry_type="usage").values_list("reference_id", flat=True))
    assert len(set(days)) == len(days) == entries.pop("usage") >= 2  # of storage, each charged once
    assert entries == {"bonus": 3, "expiry": 1, "purchase": 1, "subscription": 1}
    assert Grant.objects.filter(account_id=alice.pk, kind="purchase").count() == 1
    assert Purchase.objects.get().state == "fulfilled"
    assert not WebhookRefusal.objects.filter(cause="stale").exists()
    assert selectors.verify_account(account_id=alice.pk) == []
    assert len({mail.subject for mail in mailoutbox}) == len(mailoutbox)
