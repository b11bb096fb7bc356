"""Changing a subscription."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import events, invoices, payments
from billing.sandbox.services.subscriptions import discounting, pending, planning, state, terms

Data = dict[str, Any]

PENDING_FOR = timedelta(hours=23)


@transaction.atomic
def update_subscription(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription by Stripe's rules of `proration_behavior` and `payment_behavior`.

    :raises UnexpectedState: when it has ended, or `error_if_incomplete` meets a payment that asks for authentication.
    :raises CardDeclined: with `error_if_incomplete`; nothing is changed then.
    """
    before = state.lock_subscription(subscription_id)
    if before["status"] in state.ENDED and params.keys() - {"cancellation_details", "metadata"}:
        raise UnexpectedState("A canceled subscription can only update its cancellation_details and metadata.")
    subscription = state.copy_of(before)
    terms.change_fields(subscription, params, now=now)
    change = planning.plan_change(subscription, params, now=now)
    if change is None:
        return state.update(subscription, before=before, now=now)

    behavior = params.get("proration_behavior", "create_prorations")
    invoices_now = bool(change.lines) and (behavior == "always_invoice" or change.anchor is not None)
    waits = params.get("payment_behavior") == "pending_if_incomplete" and invoices_now
    if not waits:
        pending.apply(subscription, change.items, change.anchor)
    state.update(subscription, before=before, now=now)
    if not invoices_now:
        _leave_for_next_invoice(subscription, change, now=now)
        return store.get("subscription", subscription_id)

    invoice = _invoice_change(subscription, change, now=now, waits=waits)
    if invoice["status"] == "open" and params.get("payment_behavior") != "default_incomplete":
        _collect(subscription_id, invoice, params, now=now, waits=waits)
    return store.get("subscription", subscription_id)


@transaction.atomic
def enter_phase(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription as a schedule's next phase says.

    At the end of a period nothing is left to prorate: the renewal, due at the same moment, bills the new items. A new
    interval begins with it.
    """
    before = state.lock_subscription(subscription_id)
    seconds = store.timestamp(now)
    if state.period_of(before)[1] > seconds:
        return update_subscription(subscription_id, params, now=now)
    subscription = state.copy_of(before)
    changes.set_metadata(subscription, params)
    items = planning.merge_items(subscription, params["items"], now=now)
    if planning.interval_of(items[0]) != planning.interval_of(before["items"]["data"][0]):
        subscription["billing_cycle_anchor"] = seconds
    for item in items:
        item["current_period_end"] = min(item["current_period_end"], seconds)
    subscription["items"]["data"] = items
    return state.update(subscription, before=before, now=now)


def _invoice_change(subscription: Data, change: planning.Change, *, now: datetime, waits: bool) -> Data:
    """Invoice a change at once; with `waits` it is applied only when this invoice is paid."""
    seconds = store.timestamp(now)
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="subscription_update",
        lines=change.lines,
        subscription=subscription,
        period=(seconds, seconds),
        proration_date=change.proration_date,
        active=discounting.list_active(subscription, at=seconds),
        now=now,
    )
    if waits:
        waiting = {"invoice": draft["id"], "items": change.items, "anchor": change.anchor}
        store.set_private(subscription["id"], pending=waiting)
    before = store.get("subscription", subscription["id"])
    state.update(before | {"latest_invoice": draft["id"]}, before=before, now=now)
    return invoices.finalize_invoice(draft["id"], now=now)


def _collect(subscription_id: str, invoice: Data, params: Data, *, now: datetime, waits: bool) -> None:
    intent = invoices.pay_invoice(invoice["id"], now=now, off_session=bool(params.get("off_session")))
    if intent["status"] == "succeeded":
        return
    if params.get("payment_behavior") == "error_if_incomplete":
        payments.raise_if_refused(intent)
        raise UnexpectedState(
            "Payment for this subscription requires additional user action before it can be completed successfully.",
            code="subscription_payment_intent_requires_action",
            payment_intent=intent,
        )
    if waits:
        before = state.lock_subscription(subscription_id)
        waiting = store.get_private(subscription_id)["pending"]
        subscription = state.copy_of(before)
        subscription["pending_update"] = {
            "billing_cycle_anchor": waiting["anchor"],
            "expires_at": store.timestamp(now + PENDING_FOR),
            "subscription_items": waiting["items"],
            "trial_end": None,
            "trial_from_plan": None,
        }
        state.update(subscription, before=before, now=now)


def _leave_for_next_invoice(subscription: Data, change: planning.Change, *, now: datetime) -> None:
    """Note prorations as pending invoice items."""
    for line in change.prorations:
        parent = line["parent"]["subscription_item_details"]
        item = invoice_objects.new_invoice_item(
            customer=subscription["customer"],
            amount=line["amount"],
            currency=line["currency"],
            description=line["description"],
            price=line["price"],
            quantity=line["quantity"],
            period_start=line["period_start"],
            period_end=line["period_end"],
            subscription=subscription["id"],
            subscription_item=parent["subscription_item"],
            proration=True,
            now=store.timestamp(now),
        )
        store.add(item)
        events.emit("invoiceitem.created", item, now=now)
