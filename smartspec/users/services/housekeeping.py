"""Deleting what has expired."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection

from smartspec.users.models import RateCount, WebSessionLink


def clear_expired(*, now: datetime) -> dict[str, int]:
    """This will delete what has expired: sessions, links, rate counters and cache rows. Returns how many of each."""
    cleared = {
        "links": WebSessionLink.objects.filter(expires_at__lte=now).delete()[0],
        "rate_counts": RateCount.objects.filter(expires_at__lte=now).delete()[0],
        "sessions": Session.objects.filter(expire_date__lte=now).delete()[0],
        "devices": UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()[0],
    }
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires <= %s", [now])
        cleared["cache_rows"] = cursor.rowcount
    return cleared
