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
        # A first invoice that nobody paid for 23 hours is void, and the subscription over with it.
        invoices.void_invoice(subscription["latest_invoice"], now=now)
        return store.get("subscription", object_id)
    waiting = subscription["pending_update"]
    if waiting and waiting["expires_at"] <= seconds:
        pending.discard(object_id, now=now)
    if subscription["cancel_at"] and subscription["cancel_at"] <= seconds and subscription["ended_at"] is None:
        # "Pending prorations are left in place and collected at the end of the period":
        # https://docs.stripe.com/api/subscriptions/cancel
        cancelling.cancel_subscription(object_id, {"invoice_now": True}, now=now)
    announcing.announce(object_id, now=now)
    current = store.get("subscription", object_id)
    if current["status"] in state.RENEWED and renewing.ends_a_period(current, seconds):
        current = renewing.renew(current, now=now)
    store.set_due(object_id, state.due_at(current))
    return current
