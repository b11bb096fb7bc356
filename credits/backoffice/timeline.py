"""What happened to a person's credits: entries, and holds."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from credits import selectors
from credits.models import Hold
from smartspec import backoffice
from smartspec.admin import plain_credits
from smartspec.backoffice import Line
from smartspec.users.models import User

TONES = {
    "purchase": "success",
    "bonus": "success",
    "subscription": "success",
    "refund": "info",
    "adjustment": "warning",
    "expiry": "warning",
    "clawback": "danger",
}
HOLD_TONES = {"open": "info", "expired": "warning"}


@backoffice.timeline(right="credits.view_entry", order=10)
def entries(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Every change of the balance."""
    # The filter ends before a moment; until is before the next microsecond.
    found = selectors.TransactionFilter(account_id=user.pk, date_to=until + timedelta(microseconds=1))
    for entry in selectors.list_transactions(filter=found, limit=limit).transactions:
        about = [entry.reference_type.replace("_", " "), entry.reference_id, entry.model_id]
        yield Line(
            at=entry.created_at,
            title=f"{entry.get_entry_type_display()}: {entry.description or entry.reference_type.replace('_', ' ')}",
            detail=f"balance {plain_credits(entry.balance_before)} → {plain_credits(entry.balance_after)}"
            + "".join(f" · {part}" for part in about if part),
            credits=entry.delta_credits,
            tone=TONES.get(entry.entry_type, ""),
        )


@backoffice.timeline(right="credits.view_hold", order=20, is_detail=True)
def holds(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Every job that credits were reserved for, by when it began."""
    for hold in selectors.list_holds_until(account_id=user.pk, until=until, limit=limit):
        yield Line(
            at=hold.created_at,
            title=f"{plain_credits(hold.credits)} held for {hold.operation.replace('_', ' ')}: {outcome(hold, until)}",
            detail=" · ".join(part for part in (hold.model_id, hold.reference_id, hold.public_id) if part),
            tone=HOLD_TONES.get(hold.status, ""),
        )


def outcome(hold: Hold, now: datetime) -> str:
    match hold.status:
        case Hold.Status.OPEN:
            return f"open until {hold.expires_at:%H:%M}"
        case Hold.Status.CAPTURED:
            text = f"{plain_credits(hold.captured)} spent"
            return f"{text}, {plain_credits(hold.refunded)} refunded" if hold.refunded else text
    return f"{hold.get_status_display()}, nothing spent"
