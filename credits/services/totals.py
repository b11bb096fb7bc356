"""Counting the days, so that reports need not."""

from datetime import UTC, date, datetime, timedelta

from django.db.models import Max

from credits import ledger
from credits.models import DayTotal

FIRST_COUNT_DAYS = 31


def count_days(*, now: datetime, days: int | None = None) -> int:
    """This will write the totals of the last `days` days (UTC), today included, again, and return how many that were.

    Left out: every day since the one that was counted last, and that one's yesterday, for what was still under way
    when it was counted. Any number of times to the same end.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1) if days else _first_uncounted(today)
    counted = (today - first).days + 1
    for offset in range(counted):
        day = first + timedelta(days=offset)
        ledger.call_value("credits_count_day", day, day == today, now)
    return counted


def _first_uncounted(today: date) -> date:
    last = DayTotal.objects.aggregate(last=Max("day_date"))["last"]
    if last is None:
        return today - timedelta(days=FIRST_COUNT_DAYS - 1)
    return min(last, today) - timedelta(days=1)
