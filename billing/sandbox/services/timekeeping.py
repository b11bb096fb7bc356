"""What happens because time passed: sessions expire, subscriptions renew and end, invoices are collected.

https://docs.stripe.com/billing/subscriptions/overview and /billing/testing/test-clocks
"""

from datetime import datetime

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.services import checkout, discounts, disputes, invoices, refunds, schedules, subscriptions

# What time does to each kind, called with the object's id and the moment at which it is due. Of what is due at the same
# moment the kind named first goes first: a new phase of a schedule is what the renewal then bills.
CHANGES = {
    "subscription_schedule": schedules.do_what_is_due,
    "subscription": subscriptions.do_what_is_due,
    "invoice": invoices.do_what_is_due,
    "checkout.session": checkout.expire_if_due,
    "charge": disputes.open_due_dispute,
    "refund": refunds.do_what_is_due,
    "dispute": disputes.do_what_is_due,
    "coupon": discounts.lapse_coupon,
    "promotion_code": discounts.lapse_promotion_code,
}


class TimeStandsStill(RuntimeError):
    """An object stays due although its time was played: a fault of the sandbox itself."""


def pass_time(*, now: datetime, clock: str = "") -> int:
    """This will play everything that is due up to `now` on one clock, in order, and return how much that was.

    `clock` is a test clock's id; the empty one is the real clock.

    :raises TimeStandsStill: when playing something does not change when it is due.
    """
    played = 0
    latest: tuple[str, datetime] | None = None
    while (due := store.find_next_due(now=now, clock=clock, kinds=CHANGES)) is not None:
        moment = due.due_at or now
        if latest == (due.id, moment):
            raise TimeStandsStill(f"{due} stays due at {moment}")
        with transaction.atomic():
            if store.is_still_due(due):
                # As of the moment itself, however long ago: events and the end of things carry that time.
                CHANGES[due.kind](object_id=due.id, now=moment)
                latest = due.id, moment
                played += 1
    return played


def find_next_moment(*, until: datetime, clock: str = "") -> datetime | None:
    """This will return when the next thing happens by itself up to `until`, or None."""
    due = store.find_next_due(now=until, clock=clock, kinds=CHANGES)
    return due.due_at if due else None
