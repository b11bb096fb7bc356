"""Counting the days, so that reports need not."""

from datetime import UTC, date, datetime, timedelta

from django.db.models import Max

from credits import ledger
from credits.models import DayTotal

COUNTED_AGAIN_DAYS = 31  # more than any figure of the back-office looks back


def count_days(*, now: datetime, days: int | None = None) -> int:
    """This will write the totals of the last `days` days (UTC), today included, again, and return how many that were.

    Left out: today and yesterday, for what was still under way when that was counted; the first time on a day the last
    31, for what came into them later (a capture's refund, what ended while no worker ran), and whatever was never
    counted. Any number of times to the same end.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1) if days else _first_to_count(today)
    counted = (today - first).days + 1
    for offset in range(counted):
        day = first + timedelta(days=offset)
        ledger.call_value("credits_count_day", day, day == today, now)
    return counted


def _first_to_count(today: date) -> date:
    last = DayTotal.objects.aggregate(last=Max("day_date"))["last"]
    if last is not None and last >= today:
        return today - timedelta(days=1)
    month_ago = today - timedelta(days=COUNTED_AGAIN_DAYS - 1)
    return month_ago if last is None else min(month_ago, last - timedelta(days=1))
