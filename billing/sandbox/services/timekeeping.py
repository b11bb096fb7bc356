"""What happens because time passed: sessions expire, subscriptions renew and end, invoices are collected.

https://docs.stripe.com/billing/subscriptions/overview and /billing/testing/test-clocks
"""

import logging
from datetime import datetime

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import StripeError
from billing.sandbox.models import StoredObject
from billing.sandbox.services import (
    checkout,
    debits,
    discounts,
    disputes,
    invoices,
    refunds,
    schedules,
    subscriptions,
)

# What time does to each kind, called with the object's id and the moment at which it is due. Of what is due at the same
# moment the kind named first goes first: a new phase of a schedule is what the renewal then bills.
CHANGES = {
    "subscription_schedule": schedules.do_what_is_due,
    "subscription": subscriptions.do_what_is_due,
    "invoice": invoices.do_what_is_due,
    "checkout.session": checkout.expire_if_due,
    "payment_intent": debits.do_what_is_due,
    "charge": disputes.open_due_dispute,
    "refund": refunds.do_what_is_due,
    "dispute": disputes.do_what_is_due,
    "coupon": discounts.lapse_coupon,
    "promotion_code": discounts.lapse_promotion_code,
}


logger = logging.getLogger(__name__)


class TimeStandsStill(RuntimeError):
    """An object stays due although its time was played: a fault of the sandbox itself."""


def pass_time(*, now: datetime, clock: str = "") -> int:
    """This will play everything that is due up to `now` on one clock, in order, and return how much that was.

    `clock` is a test clock's id; the empty one is the real clock. What cannot be played is logged and rests until it is
    changed: nobody else waits for it.
    """
    played = 0
    while (due := store.find_next_due(now=now, clock=clock, kinds=CHANGES)) is not None:
        try:
            played += _play(due, now=due.due_at or now)
        except (StripeError, TimeStandsStill):
            logger.exception("%s could not be played and rests until it is changed", due)
            store.let_rest(due)
    return played


@transaction.atomic
def _play(due: StoredObject, *, now: datetime) -> bool:
    """Play one object as of its moment, however long ago: events and the end of things carry that time.

    Return whether that was still to be done.

    :raises TimeStandsStill: when it is no further then; nothing is kept of it.
    """
    if not store.is_still_due(due):
        return False
    CHANGES[due.kind](object_id=due.id, now=now)
    if store.is_still_due(due):
        raise TimeStandsStill(f"{due} stays due at {now}")
    return True


def find_next_moment(*, until: datetime, clock: str = "") -> datetime | None:
    """This will return when the next thing happens by itself up to `until`, or None."""
    due = store.find_next_due(now=until, clock=clock, kinds=CHANGES)
    return due.due_at if due else None
