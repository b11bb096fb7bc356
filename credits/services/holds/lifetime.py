"""How long a hold lives."""

from datetime import timedelta

from credits.services.holds.refusals import InvalidTimeToLive

DEFAULT_TTL_SECONDS = 900
MAXIMUM_TTL_SECONDS = 86_400


def checked_ttl(ttl_seconds: int) -> timedelta:
    if isinstance(ttl_seconds, bool) or not isinstance(ttl_seconds, int) or not 1 <= ttl_seconds <= MAXIMUM_TTL_SECONDS:
        raise InvalidTimeToLive(f"ttl_seconds must be a whole number from 1 to {MAXIMUM_TTL_SECONDS}.")
    return timedelta(seconds=ttl_seconds)
