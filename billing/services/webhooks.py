"""Stored webhooks: their jobs, and what came of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from procrastinate.contrib.django import app

from billing.models import PaidInvoice, Webhook
from credits import selectors as credits_selectors

NOTED_ENTRIES = 100
SPENDING = "usage"


def enqueue_webhook(*, webhook: Webhook, is_effective: bool) -> None:
    """This will save a webhook with its jobs: the mirror's, and the effect's if its type has one.

    Effects of one customer run one after the other. The caller has opened a transaction.
    """
    lock = webhook.customer_id or webhook.object_id or webhook.event_id
    # By name: the tasks call services, so that services cannot import them.
    mirror = app.configure_task(name="billing.tasks.mirror_event", queue="mirror", lock=f"mirror:{lock}")
    mirror.defer(trigger_id=webhook.trigger_id)
    if is_effective and webhook.object_id:
        effect = app.configure_task(name="billing.tasks.apply_event", queue="webhooks", lock=f"effect:{lock}")
        webhook.job_id = effect.defer(
            event_id=webhook.event_id,
            event_type=webhook.event_type,
            object_id=webhook.object_id,
            trigger_id=webhook.trigger_id,
        )
    webhook.save()


def note_applied(*, trigger_id: int | None, outcome: Any, now: datetime) -> None:
    """This will note that a webhook's effect was had at `now`, and what it left behind: rows of ours, and entries.

    `outcome` is what the effect's service returned: a row, several, or None.
    """
    rows = [row for row in (outcome if isinstance(outcome, list) else [outcome]) if row is not None]
    webhook = Webhook.objects.filter(pk=trigger_id).first()
    if webhook is None:
        return
    webhook.processed_at = now
    webhook.changes = [describe_change(row, now) for row in rows]
    webhook.user_id = webhook.user_id or next((owner_id(row) for row in rows), None)
    webhook.save(update_fields=["processed_at", "changes", "user"])


def describe_change(row: Any, now: datetime) -> dict[str, Any]:
    """Return what an effect left behind: the row, its state, and what was entered for it since the effect began."""
    entries = credits_selectors.list_transactions(
        filter=credits_selectors.TransactionFilter(owner_id(row), date_from=now), limit=NOTED_ENTRIES
    )
    return {
        "what": row._meta.model_name,
        "id": str(row.pk),
        "state": str(getattr(row, "state", None) or getattr(row, "status", "")),
        "entries": [
            {"number": entry.number, "type": entry.entry_type, "credits": str(entry.delta_credits)}
            for entry in reversed(entries.transactions)
            if entry.entry_type != SPENDING  # workers go on meanwhile
        ],
    }


def owner_id(row: Any) -> UUID:
    """Return whose row it is."""
    user_id: UUID = row.subscription.user_id if isinstance(row, PaidInvoice) else row.user_id
    return user_id
