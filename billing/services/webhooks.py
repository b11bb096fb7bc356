"""Stored webhooks: their jobs, what came of them, and what staff decide about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from procrastinate.contrib.django import app

from billing.models import PaidInvoice, Webhook
from credits import selectors as credits_selectors
from smartspec import jobs
from smartspec.errors import DomainError
from smartspec.users import services as users_services

NOTED_ENTRIES = 100
SPENDING = "usage"
# Customers wait for effects, nobody waits for the mirror: in a burst its jobs come last, behind what the product does
# every minute too: that starts the effects of a killed worker again, and tells operators of the burst. Between the two
# is room for the sandbox, which sends its webhooks from the same queue.
EFFECT_PRIORITY, MIRROR_PRIORITY = 10, -10


class NothingToReplay(DomainError):
    """Nothing follows from events of its type, and the mirror has it."""

    code = "nothing_to_replay"
    status = 409
    title = "Nothing to replay"


class AlreadyProcessed(DomainError):
    """What follows from it has happened, and cannot be made not to."""

    code = "already_processed"
    status = 409
    title = "Already processed"


def enqueue_webhook(*, webhook: Webhook, is_effective: bool) -> None:
    """This will save a webhook with its jobs: the mirror's, and the effect's if its type has one.

    Effects of one customer run one after the other. The caller has opened a transaction.
    """
    lock = webhook.customer_id or webhook.object_id or webhook.event_id
    # By name: the tasks call services, so that services cannot import them.
    mirror = app.configure_task(
        name="billing.tasks.mirror_event", queue="mirror", lock=f"mirror:{lock}", priority=MIRROR_PRIORITY
    )
    jobs = [mirror.make_new_job(trigger_id=webhook.trigger_id)]
    if is_effective and webhook.object_id:
        effect = app.configure_task(
            name="billing.tasks.apply_event", queue="webhooks", lock=f"effect:{lock}", priority=EFFECT_PRIORITY
        )
        jobs.append(
            effect.make_new_job(
                event_id=webhook.event_id,
                event_type=webhook.event_type,
                object_id=webhook.object_id,
                trigger_id=webhook.trigger_id,
            )
        )
    enqueued = app.job_manager.batch_defer_jobs(jobs)  # in one statement: intake must be cheap
    webhook.job_id = enqueued[1].id if len(enqueued) > 1 else None
    webhook.save(force_insert=webhook._state.adding)  # else Django first tries to change a row that is not there


def note_applied(*, trigger_id: int | None, outcome: Any, now: datetime) -> None:
    """This will note that a webhook's effect was had at `now`, and what it left behind: rows of ours, and entries.

    `outcome` is what the effect's service returned: a row, several, or None.
    """
    rows = [row for row in (outcome if isinstance(outcome, list) else [outcome]) if row is not None]
    webhook = Webhook.objects.filter(pk=trigger_id).first()
    if webhook is None:
        return
    webhook.processed_at = now
    webhook.changes += [change for row in rows if is_news(change := describe_change(row, now), webhook.changes)]
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


def is_news(change: dict[str, Any], known: list[dict[str, Any]]) -> bool:
    """Tell whether a further run left anything behind that an earlier one had not."""
    return bool(change["entries"]) or not any(
        (change["what"], change["id"], change["state"]) == (old["what"], old["id"], old["state"]) for old in known
    )


def owner_id(row: Any) -> UUID:
    """Return whose row it is."""
    user_id: UUID = row.subscription.user_id if isinstance(row, PaidInvoice) else row.user_id
    return user_id


# --- By staff -----------------------------------------------------------------------------------------------------


def replay_webhook(*, staff: users_services.Staff, trigger_id: int, now: datetime) -> Webhook:
    """This will have a stored webhook worked on once more, whatever its state: soon, and with all its attempts again.

    An effect looks at what is true at Stripe now, and gives nothing twice.

    :raises NothingToReplay: nothing follows from it.
    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    users_services.require_right(staff, "billing.replay_webhook")
    with transaction.atomic():
        webhook = lock_webhook(trigger_id)
        is_effective = webhook.job_id is not None
        if not is_effective and webhook.trigger.processed:
            raise NothingToReplay("Nothing follows from events of this type, and the mirror has it.")
        before = standing(webhook)
        drop_job(webhook)
        webhook.processed_at = webhook.ignored_at = None
        enqueue_webhook(webhook=webhook, is_effective=is_effective)
        record(staff, "replay_webhook", webhook, before, now)
    return webhook


def ignore_webhook(*, staff: users_services.Staff, trigger_id: int, now: datetime) -> Webhook:
    """This will decide that nothing follows from a webhook: it is no longer tried, nor shown as needing a person.

    :raises AlreadyProcessed: its effect was had.
    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    users_services.require_right(staff, "billing.ignore_webhook")
    with transaction.atomic():
        webhook = lock_webhook(trigger_id)
        if webhook.processed_at is not None:
            raise AlreadyProcessed("What follows from this webhook has happened already.")
        if webhook.ignored_at is None:
            before = standing(webhook)
            drop_job(webhook)
            webhook.ignored_at = now
            webhook.save(update_fields=["ignored_at"])
            record(staff, "ignore_webhook", webhook, before, now)
    return webhook


def lock_webhook(trigger_id: int) -> Webhook:
    return Webhook.objects.select_for_update(of=("self",)).select_related("trigger", "user").get(pk=trigger_id)


def drop_job(webhook: Webhook) -> None:
    """Take its job out of the queue, if there is one that does not run just now."""
    if webhook.job_id is not None:
        jobs.take_out(job_id=webhook.job_id)


def standing(webhook: Webhook) -> dict[str, Any]:
    """Return where a webhook stands, as the record of staff keeps it."""
    return {
        "job": webhook.job_id,
        "processed_at": webhook.processed_at and webhook.processed_at.isoformat(),
        "ignored_at": webhook.ignored_at and webhook.ignored_at.isoformat(),
    }


def record(staff: users_services.Staff, action: str, webhook: Webhook, before: dict[str, Any], now: datetime) -> None:
    users_services.record_action(
        staff=staff,
        action=action,
        whom=webhook.user,
        reference_type="webhook",
        reference_id=str(webhook.pk),
        before={"event": webhook.event_id, "type": webhook.event_type} | before,
        after=standing(webhook),
        now=now,
    )
