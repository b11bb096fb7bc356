"""Stripe's calendar: when billing periods begin and end. Everything in whole seconds since 1970, in UTC."""

from datetime import UTC, datetime

from dateutil.relativedelta import relativedelta


def add_interval(anchor: int, *, interval: str, count: int) -> int:
    """This will return the moment so many intervals after the anchor; 31 January and one month is 28 February."""
    steps = {
        "day": relativedelta(days=count),
        "week": relativedelta(weeks=count),
        "month": relativedelta(months=count),
        "year": relativedelta(years=count),
    }
    return int((datetime.fromtimestamp(anchor, tz=UTC) + steps[interval]).timestamp())


def period_around(moment: int, *, anchor: int, interval: str, count: int) -> tuple[int, int]:
    """This will return the period, counted from the anchor, in which the moment lies: `[start, end)`."""
    number = 0
    while add_interval(anchor, interval=interval, count=count * (number + 1)) <= moment:
        number += 1
    return (
        add_interval(anchor, interval=interval, count=count * number),
        add_interval(anchor, interval=interval, count=count * (number + 1)),
    )


def spoken_date(moment: int) -> str:
    """This will write a day as Stripe does on invoices: 23 Nov 2026."""
    day = datetime.fromtimestamp(moment, tz=UTC)
    return f"{day.day:02d} {day:%b %Y}"
