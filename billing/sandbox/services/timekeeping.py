"""What happens because time passed: sessions expire, subscriptions end, what nobody paid lapses."""

from datetime import datetime

from billing.sandbox import store
from billing.sandbox.services import checkout, subscriptions

# What time does to each kind, called with the object's id and the moment at which it is due.
CHANGES = {"checkout.session": checkout.expire_if_due, "subscription": subscriptions.do_what_is_due}


def pass_time(*, now: datetime, clock: str = "") -> int:
    """This will play everything that is due up to `now` on one clock, in order, and return how much that was.

    `clock` is a test clock's id; the empty one is the real clock.
    """
    played = 0
    while due := store.find_due(now=now, clock=clock, kinds=CHANGES):
        for row in due:
            # As of the moment itself, however long ago: events and the end of things carry that time.
            CHANGES[row.kind](object_id=row.id, now=row.due_at or now)
            played += 1
    return played
