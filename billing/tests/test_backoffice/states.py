"""Rows of every state, for pages to show."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from djstripe.models import WebhookEventTrigger
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import (
    CheckoutState,
    Customer,
    Dispute,
    Purchase,
    ReconcileRun,
    Refund,
    Subscription,
    SubscriptionCheckout,
    Webhook,
)
from billing.tests.test_backoffice.desk import make_key
from credits import services as credits_services
from credits.models import Adjustment, Rate
from media.models import Asset, StorageEvent
from smartspec.models import JobFailure
from smartspec.testing import make_user
from smartspec.users.models import ApiKey, Erasure, User

SUBSCRIPTION_STATUSES = (
    *("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled"),
)
DISPUTE_STATUSES = (
    *("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review", "won"),
    *("lost", "prevented"),
)


def make_rows(user: User, now: datetime) -> list[Any]:
    common: dict[str, Any] = {"user": user, "created_at": now}
    bought = {"package_id": "basic", "credits": 100, "bonus_credits": 5, "price_cents": 900, "currency": "usd"}
    rows: list[Any] = []
    for number, state in enumerate(CheckoutState.values):
        paid = {"paid_cents": 900} if state in ("fulfilled", "needs_review") else {}
        fulfilled = {"fulfilled_at": now} if state == "fulfilled" else {}
        reason = {"review_reason": "amount_subtotal is 1, quoted 900"} if state == "needs_review" else {}
        rows.append(
            Purchase.objects.create(
                **common,
                **bought,
                **paid,
                **fulfilled,
                **reason,
                state=state,
                session_id=f"cs_s{number}",
                request_hash="0" * 64,
            )
        )
        rows.append(
            SubscriptionCheckout.objects.create(
                **common, state=state, request_hash="0" * 64, plan="pro", interval="yearly", price_id="price_1"
            )
        )
    customer = Customer.objects.create(id="cus_s", **common)
    for number, status in enumerate(SUBSCRIPTION_STATUSES):
        ended = {"ended_at": now} if status in ("canceled", "incomplete_expired") else {"is_surplus": number > 0}
        rows.append(
            Subscription.objects.create(
                **common,
                **ended,
                id=f"sub_s{number}",
                customer=customer,
                plan="pro",
                interval="monthly",
                price_id="price_1",
                item_id="si_1",
                status=status,
                anchor_at=now,
                current_period_start=now,
                current_period_end=now + timedelta(days=30),
                cancel_at_period_end=number % 2 == 0,
            )
        )
    money = {**common, "purchase": rows[0], "amount_cents": 5, "currency": "usd"}
    for status in Refund.Status.values:
        sent = {} if status in ("requested", "refused") else {"refund_id": f"re_{status}"}
        rows.append(Refund.objects.create(**money, **sent, status=status, keep_credits=status == "failed"))
    rows += [Dispute.objects.create(**money, id=f"dp_{status}", status=status) for status in DISPUTE_STATUSES]
    return rows


def make_credits(user: User, now: datetime) -> None:
    for kind in ("subscription", "purchase", "bonus", "adjustment"):
        credits_services.grant(account_id=user.pk, kind=kind, credits=Decimal(50), source=kind, now=now)
    holds = [
        credits_services.place_hold(
            account_id=user.pk, operation="image_generation", reference_id=end, idempotency_key=end, now=now,
            ttl_seconds=60 if end == "expired" else 900,
        ).id
        for end in ("captured", "released", "refunded", "open", "expired")
    ]  # fmt: skip
    credits_services.capture_hold(hold_id=holds[0], now=now)
    credits_services.release_hold(hold_id=holds[1], now=now)
    credits_services.capture_hold(hold_id=holds[2], now=now)
    credits_services.refund_capture(hold_id=holds[2], reason="worthless", now=now)
    credits_services.grant(
        account_id=user.pk, kind="bonus", credits=Decimal(5), source="short", now=now,
        expires_at=now + timedelta(minutes=2),
    )  # fmt: skip
    credits_services.expire(now=now + timedelta(minutes=3))
    credits_services.claw_back(
        account_id=user.pk, kind="purchase", source="purchase", credits=Decimal(50), idempotency_key="1",
        now=now + timedelta(minutes=3),
    )  # fmt: skip
    credits_services.freeze(account_id=user.pk, cause="dispute:dp_1", now=now + timedelta(minutes=3))


def make_work(user: User, now: datetime) -> list[Any]:
    """Webhooks, jobs and comparisons of every state."""
    rows: list[Any] = []
    jobs = []
    for status, attempts in (("todo", 0), ("todo", 3), ("doing", 1), ("failed", 9), ("aborted", 1)):
        number = queue.configure_task("some.task", queue="default", allow_unknown=True).defer()
        ProcrastinateJob.objects.filter(pk=number).update(status=status, attempts=attempts, scheduled_at=now)
        jobs.append(number)
    JobFailure.objects.create(job_id=jobs[1], attempts=3, error="It broke.", traceback="Here.", failed_at=now)
    JobFailure.objects.create(job_id=jobs[3], attempts=9, error="It broke.", traceback="Here.", failed_at=now)
    rows += ProcrastinateJob.objects.filter(pk__in=jobs)
    noted: dict[str, dict[str, Any]] = {
        "received": {},
        "queued": {"job_id": jobs[0]},
        "failed": {"job_id": jobs[1]},
        "dead": {"job_id": jobs[3]},
        "processed": {"job_id": jobs[3], "processed_at": now},
        "ignored": {"job_id": jobs[3], "ignored_at": now},
    }
    for state, fields in noted.items():
        event: dict[str, Any] = {"id": f"evt_{state}", "type": "invoice.paid", "data": {"object": {"id": "in_s"}}}
        trigger = WebhookEventTrigger.objects.create(
            remote_ip="127.0.0.1", headers={}, body=json.dumps(event), valid=True
        )
        rows.append(
            Webhook.objects.create(
                trigger=trigger, event_id=event["id"], event_type="invoice.paid", user=user, received_at=now, **fields
            )
        )
    for minutes, found in ((1, {"finished_at": now}), (2, {"finished_at": now, "remaining": 3}), (3, {})):
        begun = now + timedelta(minutes=minutes)
        rows.append(ReconcileRun.objects.create(started_at=begun, since_at=now, until_at=now, **found))
    return rows


def make_others(user: User, now: datetime) -> list[Any]:
    """People, keys, rates, adjustments and media of every state."""
    deactivated = make_user("deactivated@smartspec.test", is_active=False)
    erased = make_user("erased@smartspec.test", is_active=False)
    Erasure.objects.create(user=erased, requested_at=now)
    keys = [make_key(user) for _ in range(3)]
    ApiKey.objects.filter(pk=keys[1].pk).update(revoked_at=now)
    ApiKey.objects.filter(pk=keys[2].pk).update(created_at=now - timedelta(days=1), expires_at=now)
    begins = {"past": now - timedelta(days=2), "in force": now - timedelta(days=1), "planned": now + timedelta(days=1)}
    rates = [
        Rate.objects.create(operation="image_generation", unit="image", base_credits=2, effective_from=begin)
        for begin in begins.values()
    ]
    why = {"reason": "goodwill", "note": "Ticket 7", "requested_by": deactivated, "requested_at": now}
    decided = {"decided_by": erased, "decided_at": now}
    adjustments = [
        Adjustment.objects.create(user=user, credits=Decimal(600), state=state, **why, **fields)
        for state, fields in (("awaiting", {}), ("rejected", decided | {"decision_note": "No."}))
    ]
    times = dict.fromkeys(("created_at", "upload_expires_at"), now)
    ends: dict[str, dict[str, Any]] = {
        "uploading": {},
        "stored": {"stored_at": now},
        "deleted": {"ended_at": now, "cleaned_at": now},
        "expired": {"ended_at": now, "cleaned_at": now},
    }
    assets = [
        Asset.objects.create(
            user=user, number=10 + number, kind="image", content_type="image/png", key=f"generations/s{number}.png",
            size_bytes=1000, status=status, **times, **fields,
        )
        for number, (status, fields) in enumerate(ends.items())
    ]  # fmt: skip
    steps = [
        StorageEvent.objects.create(
            user=user, kind=kind, unpaid_since=begins["past"], arrears_credits=3, happened_at=now
        )
        for kind in StorageEvent.Kind.values
    ]
    return [deactivated, erased, *keys, *rates, *adjustments, *assets, *steps]
