"""What Stripe says ahead of time: an invoice that will come, and a trial that will end.

https://docs.stripe.com/billing/subscriptions/webhooks
"""

from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.errors import StripeError
from billing.sandbox.services import events
from billing.sandbox.services.subscriptions import previewing, state

Data = dict[str, Any]


def announce(subscription_id: str, *, now: datetime) -> None:
    """This will emit what is due to be said and was not: `invoice.upcoming`, `customer.subscription.trial_will_end`."""
    seconds = store.timestamp(now)
    subscription = store.get("subscription", subscription_id)
    for name, moment, about in state.announcements(subscription):
        if moment > seconds:
            continue
        store.set_private(subscription_id, **{name: about})
        if name == state.TRIAL_ENDS:
            events.emit("customer.subscription.trial_will_end", subscription, now=now)
        else:
            _announce_invoice(subscription, now=now)
    store.set_due(subscription_id, state.due_at(subscription))


def _announce_invoice(subscription: Data, *, now: datetime) -> None:
    try:
        preview = previewing.preview_invoice({"subscription": subscription["id"]}, now=now)
    except StripeError:
        return  # nothing would be invoiced
    events.emit("invoice.upcoming", preview, now=now)
