"""Deleting what has expired."""

from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Exists, OuterRef

from smartspec.users.models import LogInPlace, RateCount, WebSessionLink

PLACES_KEPT = timedelta(days=365)


def clear_expired(*, now: datetime) -> dict[str, int]:
    """This will delete what has expired: sessions, links, rate counters, places and cache rows. Returns how many of
    each. The last place where somebody logged in is kept: without one, nobody would be told of a log-in from another.
    """
    later = LogInPlace.objects.filter(user=OuterRef("user"), last_at__gt=OuterRef("last_at"))
    cleared = {
        "links": WebSessionLink.objects.filter(expires_at__lte=now).delete()[0],
        "rate_counts": RateCount.objects.filter(expires_at__lte=now).delete()[0],
        "places": LogInPlace.objects.filter(Exists(later), last_at__lte=now - PLACES_KEPT).delete()[0],
        "sessions": Session.objects.filter(expire_date__lte=now).delete()[0],
        "devices": UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()[0],
    }
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires <= %s", [now])
        cleared["cache_rows"] = cursor.rowcount
    return cleared
