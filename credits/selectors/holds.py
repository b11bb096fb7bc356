"""Holds of an account."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from credits import ids
from credits.models import Hold


def get_hold(*, hold_id: str) -> Hold | None:
    """Return a hold by its public id, or None."""
    parsed = ids.parse_hold_id(hold_id)
    return Hold.objects.filter(account_id=parsed.account_id, number=parsed.number).first() if parsed else None


def list_holds(*, account_id: UUID, now: datetime, status: str | None = None) -> QuerySet[Hold]:
    """Return an account's holds, newest first. One past its time counts as expired although nobody has noticed."""
    holds = Hold.objects.filter(account_id=account_id).order_by("-number")
    late = Q(status=Hold.Status.OPEN, expires_at__lte=now)
    match status:
        case None:
            return holds
        case Hold.Status.OPEN:
            return holds.filter(status=Hold.Status.OPEN, expires_at__gt=now)
        case Hold.Status.EXPIRED:
            return holds.filter(Q(status=Hold.Status.EXPIRED) | late)
    return holds.filter(status=status)
