"""What operators are told of billing."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import watching
from billing.models import Purchase, ReconcileRun, Webhook
from billing.sandbox.tasks import deliver_event
from billing.tests.conftest import open_credits, pay
from billing.webhooks import count_refusal
from smartspec import clock
from smartspec.testing import SetClock

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def buy(client: APIClient) -> str:
    session_id = open_credits(client)
    pay(session_id)
    return session_id


class TestWebhooks:
    def test_must_be_done_within_the_hour(self, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        buy(alice_client)
        run_jobs()
        now = clock.now()
        assert watching.webhooks_done(now + HOUR + SECOND).holds
        Webhook.objects.filter(event_type="checkout.session.completed").update(processed_at=None)
        assert watching.webhooks_done(now).holds
        late = watching.webhooks_done(now + HOUR + SECOND)
        assert (late.holds, late.detail) == (False, "1 received more than an hour ago are not done")

    def test_are_missed_when_payments_came_without_them(
        self, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = buy(alice_client)
        Webhook.objects.all().delete()
        alice_client.get(f"/api/payment/checkout/{session_id}")  # the app's poll fulfils
        assert Purchase.objects.get().state == "fulfilled"
        now = clock.now()
        assert watching.webhooks_arrive(now).holds
        missed = watching.webhooks_arrive(now + HOUR + SECOND)
        assert (missed.holds, missed.detail) == (False, "none for an hour, and 1 payments since")

    def test_are_not_missed_when_it_was_our_work_that_came_late(
        self, alice_client: APIClient, run_jobs: Callable[[], int], set_clock: SetClock
    ) -> None:
        session_id = buy(alice_client)
        for delivery in ProcrastinateJob.objects.filter(task_name="billing.sandbox.tasks.deliver_event"):
            deliver_event(**delivery.args)
        set_clock(clock.now() + 2 * SECOND)
        alice_client.get(f"/api/payment/checkout/{session_id}")  # the app's poll fulfils before the queue does
        fulfilled = Purchase.objects.get()
        assert fulfilled.fulfilled_at
        assert fulfilled.fulfilled_at > Webhook.objects.latest("received_at").received_at
        assert watching.webhooks_arrive(clock.now() + HOUR + SECOND).holds

    def test_are_not_missed_once_what_told_of_the_payment_is_no_longer_kept(
        self, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        buy(alice_client)
        run_jobs()
        Webhook.objects.all().delete()
        kept = timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
        assert watching.webhooks_arrive(clock.now() + kept + HOUR).holds

    def test_are_refused_all_when_the_secret_is_not_the_endpoints(
        self, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        now = clock.now()
        assert watching.webhooks_accepted(now).holds
        for _ in range(2):  # a stranger's guesses
            count_refusal("bad_signature", now)
            count_refusal("no_signature", now)
        assert watching.webhooks_accepted(now).holds
        count_refusal("bad_signature", now)
        refused = watching.webhooks_accepted(now + MINUTE)
        assert (refused.holds, refused.detail) == (
            False,
            "3 with a wrong signature within the hour, and none with a right one",
        )
        buy(alice_client)
        run_jobs()
        assert watching.webhooks_accepted(clock.now()).holds

    def test_may_be_silent_while_nobody_pays(self) -> None:
        assert watching.webhooks_arrive(clock.now() + timedelta(days=30)).holds


class TestReconciled:
    def run(self, *, remaining: int = 0) -> ReconcileRun:
        now = clock.now()
        return ReconcileRun.objects.create(
            started_at=now, since_at=now - HOUR, until_at=now, finished_at=now, checked=7, remaining=remaining
        )

    def test_holds_before_the_first_run_and_after_a_clean_one(self) -> None:
        assert watching.reconciled(clock.now()).holds
        self.run()
        assert watching.reconciled(clock.now()).holds

    def test_does_not_hold_while_differences_remain_or_when_nobody_looked_for_long(self) -> None:
        self.run()
        assert not watching.reconciled(clock.now() + timedelta(days=3)).holds
        self.run(remaining=2)
        assert not watching.reconciled(clock.now()).holds


def test_metrics_tell_refusals_and_the_ledgers_answers(
    alice_client: APIClient, client: Client, run_jobs: Callable[[], int]
) -> None:
    client.post("/api/webhooks/stripe", "{}", content_type="application/json")
    buy(alice_client)
    run_jobs()
    text = client.get("/metrics").content.decode()
    assert 'smartspec_webhooks_refused{cause="no_signature"} 1.0' in text
    assert 'smartspec_ledger_calls_total{function="grant_credits",status="ok"}' in text
    assert "smartspec_purchases_to_review 0.0" in text


def test_the_nightly_proof_is_kept_for_operators(alice: Any, alice_client: APIClient) -> None:
    from credits import services
    from credits import watching as credits_watching

    now = clock.now()
    assert credits_watching.ledger_verified(now).detail == "not done yet"
    assert services.prove_ledger(now=now) == 0
    assert credits_watching.ledger_verified(now).holds
    assert not credits_watching.ledger_verified(now + timedelta(days=3)).holds


def test_metrics_tell_webhooks_whose_effect_is_still_to_come(
    alice_client: APIClient, client: Client, run_jobs: Callable[[], int]
) -> None:
    buy(alice_client)
    run_jobs()
    assert 'smartspec_webhooks_open{state="queued"} 0.0' in client.get("/metrics").content.decode()
    session_id = open_credits(alice_client)
    pay(session_id)
    for delivery in ProcrastinateJob.objects.filter(task_name="billing.sandbox.tasks.deliver_event"):
        deliver_event(**delivery.args)
    text = client.get("/metrics").content.decode()
    queued = int(float(re.search(r'smartspec_webhooks_open\{state="queued"\} (\S+)', text)[1]))  # type: ignore[index]
    assert queued == Webhook.objects.filter(processed_at=None, job_id__isnull=False).count() > 0
