"""The arithmetic of storage: byte-seconds by day, and what they cost. Exact; nothing here touches the database.

A GB is 10^9 bytes and a month 30 days. A day costs byte-seconds times rate, divided by the byte-seconds of a GB-month;
what is less than a millionth of a credit is carried to the next day, so that nothing is lost and nothing charged twice.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext

BYTES_PER_GB = 10**9
SECONDS_PER_DAY = 86_400
SECONDS_PER_MONTH = 30 * SECONDS_PER_DAY
BYTE_SECONDS_PER_GB_MONTH = Decimal(BYTES_PER_GB * SECONDS_PER_MONTH)
SMALLEST_CREDITS = Decimal("0.000001")
# More digits than any product here can have: nothing is ever rounded but by the floor to 6 places.
EXACT = Context(prec=80)


def start_of(day: date) -> datetime:
    """Return the moment at which a day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)


def split_by_day(start: datetime, end: datetime) -> Iterator[tuple[date, Decimal]]:
    """Yield each day (UTC) between two moments, and how many of its seconds lie between them, to the microsecond."""
    while start < end:
        day = start.astimezone(UTC).date()
        part_end = min(start_of(day + timedelta(days=1)), end)
        yield day, Decimal((part_end - start) // timedelta(microseconds=1)).scaleb(-6)
        start = part_end


def accrue(
    *, stored_bytes: int, byte_seconds: Decimal, start: datetime, end: datetime
) -> tuple[list[tuple[date, Decimal]], Decimal]:
    """Return the days that ended between two moments with what was occupied on each, and what was on the day of `end`.

    `byte_seconds` is what the day of `start` had until then. Days on which nothing was occupied are left out.
    """
    ended: list[tuple[date, Decimal]] = []
    day = start.astimezone(UTC).date()
    with localcontext(EXACT):
        for part_day, seconds in split_by_day(start, end):
            if part_day != day:
                ended.append((day, byte_seconds))
                day, byte_seconds = part_day, Decimal(0)
            byte_seconds += stored_bytes * seconds
    if day != end.astimezone(UTC).date():
        ended.append((day, byte_seconds))
        byte_seconds = Decimal(0)
    return [(day, occupied) for day, occupied in ended if occupied], byte_seconds


def price(*, byte_seconds: Decimal, rate: Decimal, carried: Decimal) -> tuple[Decimal, Decimal]:
    """Return the credits of a day, floored to 6 places, and what is carried to the next.

    `rate` is credits per GB-month; `carried` is byte-seconds times rate, so a new rate does not touch what an old one
    has left.
    """
    with localcontext(EXACT):
        units, rest = divmod(byte_seconds * rate + carried, BYTE_SECONDS_PER_GB_MONTH * SMALLEST_CREDITS)
        return units * SMALLEST_CREDITS, rest


def monthly_credits(*, stored_bytes: int, rate: Decimal) -> Decimal:
    """Return what a month of so many bytes costs, floored to 6 places."""
    credits, _ = price(byte_seconds=Decimal(stored_bytes * SECONDS_PER_MONTH), rate=rate, carried=Decimal(0))
    return credits


def megabytes(size_bytes: int) -> str:
    """Write a size for a person, in the unit of the quota (10^6 bytes)."""
    return f"{Decimal(size_bytes) / 10**6:,.1f} MB"


def average_gb(byte_seconds: Decimal) -> Decimal:
    """Return how many GB a day's byte-seconds were on average, to 6 places."""
    with localcontext(EXACT):
        return (byte_seconds / (BYTES_PER_GB * SECONDS_PER_DAY)).quantize(SMALLEST_CREDITS)
