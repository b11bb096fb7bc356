"""Allowance periods: calendar months in UTC, counted from an anchor. 31 January, 28 February, 31 March."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dateutil.relativedelta import relativedelta


@dataclass(frozen=True)
class Period:
    """From `start_at` (inclusive) to `end_at` (exclusive), both UTC."""

    start_at: datetime
    end_at: datetime


def nth_period(anchor_at: datetime, n: int) -> Period:
    """Return the n-th period of an anchor; 0 begins at the anchor itself."""
    anchor_at = anchor_at.astimezone(UTC)
    return Period(anchor_at + relativedelta(months=n), anchor_at + relativedelta(months=n + 1))


def period_at(anchor_at: datetime, at: datetime) -> Period:
    """Return the period that contains a moment."""
    anchor_at, at = anchor_at.astimezone(UTC), at.astimezone(UTC)
    months = (at.year - anchor_at.year) * 12 + at.month - anchor_at.month
    period = nth_period(anchor_at, months)
    return period if period.start_at <= at else nth_period(anchor_at, months - 1)
