"""The one clock. Only the edges (views, pages, commands, tasks) read it; everything below is given the time.

On a machine of one's own it can be moved forward (`manage.py sandbox advance`): `settings.CLOCK_OFFSET` names what
reads how far, for all processes alike. In production there is no such thing.
"""

import time
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

# Beyond these a moment could not be written in every time zone, nor moved by a day; nobody means one.
FIRST_MOMENT, LAST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)
OFFSET_KNOWN_FOR_SECONDS = 1.0

_offset = timedelta(0)
_offset_read_at = float("-inf")  # by the monotonic clock


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return timezone.now() + read_offset()


def read_moment(text: str) -> datetime:
    """Return the moment that people write in ISO 8601, in UTC: a day is its start, and without a zone it is UTC.

    :raises ValueError: it is none, or none of this age.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not FIRST_MOMENT <= moment <= LAST_MOMENT:
        raise ValueError(text)
    return moment.astimezone(UTC)


def read_offset() -> timedelta:
    """Return how far the clock was moved, read at most once a second; what is known stays known when it cannot be."""
    global _offset, _offset_read_at
    if not settings.CLOCK_OFFSET or settings.PRODUCTION:
        return timedelta(0)
    if time.monotonic() - _offset_read_at >= OFFSET_KNOWN_FOR_SECONDS:
        _offset_read_at = time.monotonic()
        read: timedelta | None = import_string(settings.CLOCK_OFFSET)()
        _offset = _offset if read is None else read
    return _offset


def forget_offset() -> None:
    """Let the next call read anew: whoever moves the clock sees it at once."""
    global _offset_read_at
    _offset_read_at = float("-inf")
