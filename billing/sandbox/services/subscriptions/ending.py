"""What time does to a subscription by itself: it renews, ends as told, stays unpaid for too long, a change lapses.

https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.services import invoices
from billing.sandbox.services.subscriptions import announcing, cancelling, pending, renewing, state

Data = dict[str, Any]


@transaction.atomic
def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will end, renew, expire or clear what is due, and leave any other subscription as it is."""
    subscription = state.lock_subscription(object_id)
    seconds = store.timestamp(now)
    if subscription["status"] == "incomplete" and state.incomplete_until(subscription) <= seconds:
        return _expire_incomplete(subscription, now=now)
    waiting = subscription["pending_update"]
    if waiting and waiting["expires_at"] <= seconds:
        pending.discard(object_id, now=now)
    if subscription["cancel_at"] and subscription["cancel_at"] <= seconds and subscription["ended_at"] is None:
        cancelling.cancel_subscription(object_id, {}, now=now)
    announcing.announce(object_id, now=now)
    current = store.get("subscription", object_id)
    if current["status"] in state.RENEWED and renewing.ends_a_period(current, seconds):
        current = renewing.renew(current, now=now)
    store.set_due(object_id, state.due_at(current))
    return current


def _expire_incomplete(before: Data, *, now: datetime) -> Data:
    """A first invoice that nobody paid for 23 hours is void, and the subscription over."""
    invoices.void_invoice(before["latest_invoice"], now=now)
    subscription = state.copy_of(before)
    subscription |= {"status": "incomplete_expired", "ended_at": store.timestamp(now)}
    return state.update(subscription, before=before, now=now)
