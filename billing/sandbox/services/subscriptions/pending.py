"""Changes that wait for their invoice to be paid.

https://docs.stripe.com/billing/subscriptions/pending-updates
"""

from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.services import events, invoices
from billing.sandbox.services.subscriptions import state

Data = dict[str, Any]


def apply_pending(subscription: Data, invoice: Data, *, now: datetime) -> bool:
    """This will apply the change that waited for this invoice to be paid, and say whether there was one."""
    pending = store.get_private(subscription["id"]).get("pending")
    if not pending or pending["invoice"] != invoice["id"]:
        return False
    apply(subscription, pending["items"], pending["anchor"])
    subscription["pending_update"] = None
    store.set_private(subscription["id"], pending=None)
    return True


def discard(subscription_id: str, *, now: datetime) -> None:
    """This will take back the change that waits for its payment: its invoice is void."""
    waiting = store.get_private(subscription_id).get("pending")
    if not waiting:
        return
    invoices.void_invoice(waiting["invoice"], now=now)
    lapsed = store.get("subscription", subscription_id)
    events.emit("customer.subscription.pending_update_expired", lapsed, now=now)


def drop_pending(subscription: Data, invoice: Data) -> None:
    """This will forget the change that waited for this invoice."""
    pending = store.get_private(subscription["id"]).get("pending")
    if pending and pending["invoice"] == invoice["id"]:
        subscription["pending_update"] = None
        store.set_private(subscription["id"], pending=None)


def apply(subscription: Data, items: list[Data], anchor: int | None) -> None:
    subscription["items"]["data"] = items
    if anchor is not None:
        subscription["billing_cycle_anchor"] = anchor
        if subscription["status"] == "trialing":
            subscription |= {"status": "active", "trial_end": anchor}
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = state.period_of(subscription)[1]
