"""The one clock. Only the edges (views, pages, commands, tasks) read it; everything below is given the time."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return timezone.now()
