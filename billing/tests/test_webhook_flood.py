"""A flood of calls that are not Stripe's: nothing of them is kept, and Stripe is answered meanwhile."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum
from django.test import Client
from djstripe.models import WebhookEventTrigger
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Webhook, WebhookRefusal
from billing.tests.test_webhooks import SECRET, URL, an_event, post

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.serial]

ATTACKERS, CALLS_OF_EACH = 6, 60
ANSWERED_WITHIN_SECONDS = 3  # on a machine that has other things to do
FORGED = json.dumps(an_event(data={"object": {"id": "cs_test_1", "object": "checkout.session", "x": "x" * 20_000}}))


def attack(begun: threading.Barrier) -> list[int]:
    try:
        begun.wait()
        client = Client()
        statuses = []
        for number in range(CALLS_OF_EACH):
            header = ("", "t=1,v1=00", f"t={int(time.time())},v1={'0' * 64}")[number % 3]
            answer = client.post(URL, FORGED, content_type="application/json", headers={"Stripe-Signature": header})
            statuses.append(answer.status_code)
        return statuses
    finally:
        connections.close_all()


def test_keeps_a_count_alone_and_does_not_keep_stripe_waiting(stripe: Any) -> None:
    begun = threading.Barrier(ATTACKERS + 1)
    with ThreadPoolExecutor(ATTACKERS) as pool:
        attacks = [pool.submit(attack, begun) for _ in range(ATTACKERS)]
        begun.wait()
        waited = []
        for number in range(10):
            asked_at = time.monotonic()
            assert post(json.dumps(an_event(id=f"evt_{number}")).encode(), secret=SECRET).status_code == 200
            waited.append(time.monotonic() - asked_at)
        statuses = [status for ended in attacks for status in ended.result()]
    assert set(statuses) == {400}
    assert max(waited) < ANSWERED_WITHIN_SECONDS
    assert WebhookEventTrigger.objects.count() == Webhook.objects.count() == 10
    assert ProcrastinateJob.objects.filter(task_name__startswith="billing.tasks.").count() == 20
    assert WebhookRefusal.objects.aggregate(all=Sum("count"))["all"] == ATTACKERS * CALLS_OF_EACH
    assert WebhookRefusal.objects.count() <= 4  # two causes, two minutes at most
