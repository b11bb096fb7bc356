"""What a subscription becomes through its invoices."""

from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.services import events, invoices
from billing.sandbox.services.subscriptions import cancelling, pending, state

Data = dict[str, Any]


def note_invoice_paid(invoice: Data, *, now: datetime) -> None:
    """This will activate the subscription of an invoice that was paid, and apply a change that waited for it."""
    subscription_id = invoices.subscription_of(invoice)
    if subscription_id is None:
        return
    before = state.lock_subscription(subscription_id)
    subscription = state.copy_of(before)
    was_waiting = pending.apply_pending(subscription, invoice, now=now)
    if was_waiting or (
        before["status"] in ("incomplete", "past_due", "unpaid") and before["latest_invoice"] == invoice["id"]
    ):
        subscription["status"] = "active"
    _keep_payment_method(subscription, invoice)
    changed = state.update(subscription, before=before, now=now)
    if was_waiting and before["pending_update"]:
        events.emit("customer.subscription.pending_update_applied", changed, now=now)


def note_invoice_failed(invoice: Data, *, now: datetime) -> None:
    """This will put the subscription of an invoice that could not be collected past due; a new one stays incomplete.

    When the last retry has failed, the subscription is cancelled and its invoice stays open.
    """
    subscription_id = invoices.subscription_of(invoice)
    if subscription_id is None:
        return
    before = state.lock_subscription(subscription_id)
    waits = store.get_private(subscription_id).get("pending")
    if before["status"] == "active" and not waits and before["latest_invoice"] == invoice["id"]:
        before = state.update(before | {"status": "past_due"}, before=before, now=now)
    is_over = before["status"] == "past_due" and invoice["next_payment_attempt"] is None
    if is_over and before["latest_invoice"] == invoice["id"]:
        cancelling.cancel_subscription(subscription_id, {}, reason="payment_failed", now=now)


def note_invoice_voided(invoice: Data, *, now: datetime) -> None:
    """This will drop a change that waited for the invoice, and take a past due subscription out of its arrears.

    One whose first invoice it was is over before it began.
    """
    subscription_id = invoices.subscription_of(invoice)
    if subscription_id is None:
        return
    before = state.lock_subscription(subscription_id)
    subscription = state.copy_of(before)
    pending.drop_pending(subscription, invoice)
    if before["latest_invoice"] == invoice["id"]:
        if before["status"] == "past_due":
            subscription["status"] = "active"
        elif before["status"] == "incomplete":
            subscription |= {"status": "incomplete_expired", "ended_at": store.timestamp(now)}
    state.update(subscription, before=before, now=now)


def _keep_payment_method(subscription: Data, invoice: Data) -> None:
    """Remember what paid, where the subscription was told to."""
    if subscription["payment_settings"]["save_default_payment_method"] != "on_subscription":
        return
    payment = invoices.find_default_payment(invoice["id"])
    if payment:
        intent = store.get("payment_intent", payment["payment"]["payment_intent"])
        subscription["default_payment_method"] = intent["payment_method"] or subscription["default_payment_method"]
