"""The end of a billing period: the next one begins, and its invoice is a draft for an hour.

https://docs.stripe.com/billing/subscriptions/overview and /billing/subscriptions/trials
"""

from datetime import datetime
from typing import Any

from billing.sandbox import periods, store
from billing.sandbox.services import events, invoices
from billing.sandbox.services.subscriptions import cancelling, discounting, items, state

Data = dict[str, Any]


def ends_a_period(subscription: Data, seconds: int) -> bool:
    """This will say whether a period of the subscription is over."""
    return any(item["current_period_end"] <= seconds for item in subscription["items"]["data"])


def is_retried(invoice: Data) -> bool:
    """This will say whether Stripe tries by itself again to collect an invoice that could not be paid."""
    if invoice["billing_reason"] == "subscription_cycle":
        return True
    subscription = invoices.subscription_of(invoice)
    waits = store.get_private(subscription).get("pending") if subscription else None
    return invoice["billing_reason"] == "subscription_update" and not waits


def renew(before: Data, *, now: datetime) -> Data:
    """This will begin the next period and draft its invoice; a trial that ends becomes a subscription that is paid."""
    seconds = store.timestamp(now)
    subscription = state.copy_of(before)
    if before["status"] == "trialing":
        if ended := _end_trial_without_card(before, now=now):
            return ended
        subscription["status"] = "active"
    discounting.drop_ended(subscription, now=now)
    period = state.period_of(before)
    pending = items.list_pending(before)
    lines = [invoices.line_of_item(item) for item in pending]
    for item in subscription["items"]["data"]:
        if item["current_period_end"] > seconds:
            continue
        recurring = item["price"]["recurring"]
        item["current_period_start"], item["current_period_end"] = periods.period_around(
            seconds,
            anchor=subscription["billing_cycle_anchor"],
            interval=recurring["interval"],
            count=recurring["interval_count"],
        )
        lines.append(state.period_line(subscription, item))
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="subscription_cycle",
        lines=lines,
        subscription=subscription,
        period=period,
        active=discounting.list_active(subscription, at=seconds),
        extra={"automatically_finalizes_at": store.timestamp(now + invoices.DRAFT_FOR)},
        now=now,
    )
    for item in pending:
        store.save(item | {"invoice": draft["id"]})
    subscription["latest_invoice"] = draft["id"]
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = state.period_of(subscription)[1]
    return state.update(subscription, before=before, now=now)


def _end_trial_without_card(before: Data, *, now: datetime) -> Data | None:
    """Cancel or pause a trial that ends without anything to pay with, where it was told to."""
    behavior = before["trial_settings"]["end_behavior"]["missing_payment_method"]
    customer = store.get("customer", before["customer"])
    has_card = before["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    if has_card or behavior == "create_invoice":
        return None
    if behavior == "cancel":
        return cancelling.cancel_subscription(before["id"], {}, now=now)
    paused = state.update(before | {"status": "paused"}, before=before, now=now)
    events.emit("customer.subscription.paused", paused, now=now)
    return paused
