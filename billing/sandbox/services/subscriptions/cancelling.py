from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import ResourceMissing, UnexpectedState
from billing.sandbox.services import events, invoices
from billing.sandbox.services.subscriptions import items, state

Data = dict[str, Any]


@transaction.atomic
def cancel_subscription(
    subscription_id: str, params: Data, *, now: datetime, reason: str = "cancellation_requested"
) -> Data:
    """This will end a subscription at once; what is still open is voided.

    Nothing is owed back but with `prorate`; with `invoice_now` that, and whatever else is pending, is invoiced at once.
    With neither, prorations that wait are dropped (https://docs.stripe.com/api/subscriptions/cancel).

    :raises ResourceMissing: for one that has ended, as at Stripe.
    """
    before = state.lock_subscription(subscription_id)
    if before["status"] in state.ENDED:
        raise ResourceMissing("subscription", subscription_id)
    subscription = state.copy_of(before)
    seconds = store.timestamp(now)
    details = params.get("cancellation_details") or {}
    subscription |= {
        "status": "canceled",
        "canceled_at": before["canceled_at"] or seconds,
        "ended_at": seconds,
        # What ends as it was told to keeps saying so; what is ended before that does not.
        "cancel_at_period_end": before["cancel_at_period_end"] and before["cancel_at"] <= seconds,
        "pending_update": None,
    }
    subscription["cancellation_details"] |= {"reason": reason} | {
        name: details[name] or None for name in ("comment", "feedback") if name in details
    }
    if params.get("prorate") and before["status"] in ("active", "past_due"):
        items.leave_prorations(subscription, _owed_back(before, at=seconds), now=now)
    state.save_subscription(subscription)
    if before["schedule"]:
        _end_schedule(before["schedule"], now=now)
    for invoice in store.find("invoice", subscription=subscription_id, status="draft"):
        store.save(invoice | {"auto_advance": False})
    for invoice in store.find("invoice", subscription=subscription_id, status="open"):
        payment = invoices.find_default_payment(invoice["id"])
        intent = store.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None
        if before["status"] == "incomplete" or (intent and intent["status"] == "requires_action"):
            invoices.void_invoice(invoice["id"], now=now)
        else:
            store.save(invoice | {"auto_advance": False, "next_payment_attempt": None})
    if not params.get("invoice_now") and not params.get("prorate"):
        items.drop_prorations(subscription, now=now)
    if params.get("invoice_now"):
        items.invoice_pending(subscription, now=now)
    subscription = store.get("subscription", subscription_id)
    events.emit("customer.subscription.deleted", subscription, now=now)
    return subscription


@transaction.atomic
def resume_subscription(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will resume a paused subscription with a new period.

    :raises UnexpectedState: when it is not paused.
    """
    from billing.sandbox.services.subscriptions import creating

    before = state.lock_subscription(subscription_id)
    if before["status"] != "paused":
        raise UnexpectedState(
            f"Subscription {subscription_id} is not paused: its status is {before['status']}. "
            "To undo a cancellation at the period's end, update it with cancel_at_period_end=false."
        )
    subscription = state.copy_of(before)
    subscription["status"] = "active"
    state.update(subscription, before=before, now=now)
    events.emit("customer.subscription.resumed", subscription, now=now)
    invoice = creating.invoice_first_period(subscription, now=now)
    if invoice["status"] == "open":
        invoices.pay_invoice(invoice["id"], now=now)
    return store.get("subscription", subscription_id)


def _owed_back(subscription: Data, *, at: int) -> list[Data]:
    return [
        state.proration_line(subscription, item, at=at, is_credit=True)
        for item in subscription["items"]["data"]
        if item["current_period_start"] <= at < item["current_period_end"]
    ]


def _end_schedule(schedule_id: str, *, now: datetime) -> None:
    """A subscription that is cancelled takes its schedule with it."""
    before = store.lock("subscription_schedule", schedule_id)
    if before["status"] in ("active", "not_started"):
        schedule = before | {"status": "canceled", "canceled_at": store.timestamp(now), "current_phase": None}
        events.update(schedule, before=before, event_type="subscription_schedule.canceled", now=now)
