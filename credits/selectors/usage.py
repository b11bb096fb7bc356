"""What was spent, from the daily rollup: captures, less what was refunded of them. Days are UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from credits.models import UsageDay

ZERO = Decimal(0)


@dataclass(frozen=True)
class UsageSummary:
    """What an operation cost in a span of days."""

    operation: str
    credits: Decimal
    count: int


@dataclass(frozen=True)
class UsageOfDay:
    """What a day cost."""

    date: date
    credits: Decimal
    count: int


@dataclass(frozen=True)
class ModelUsage:
    """What a model cost in a span of days; an empty model_id is what named none."""

    model_id: str
    credits: Decimal
    count: int


def usage_summary(*, account_id: UUID, first_date: date, last_date: date) -> list[UsageSummary]:
    """Return what each operation cost from the first to the last day (inclusive), by name."""
    rows = (
        UsageDay.objects.filter(account_id=account_id, day_date__gte=first_date, day_date__lte=last_date)
        .values("operation")
        .annotate(total=Sum("credits"), count=Sum("captures"))
        .order_by("operation")
    )
    return [UsageSummary(row["operation"], row["total"], row["count"]) for row in rows]


def usage_since(*, account_id: UUID, since: datetime) -> list[UsageSummary]:
    """Return what each operation cost from a moment on, by name: the sum is what the account counts as used.

    Whole days come from the rollup. The moment cuts the first day in two: the captures of its smaller part are counted
    singly, and added to the days after it, or taken from the days with it.
    """
    midnight = datetime.combine(since.astimezone(UTC).date(), time(), tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH found AS MATERIALIZED (
              SELECT credits_find_entry(%(account)s, %(midnight)s, 'usage') AS begins,
                     credits_find_entry(%(account)s, %(since)s, 'usage') AS cut,
                     credits_find_entry(%(account)s, %(next_midnight)s, 'usage') AS ends),
            part AS MATERIALIZED (
              SELECT * FROM (
                SELECT begins AS above, cut AS up_to, -1 AS sign, %(midnight)s AS days_from FROM found
                UNION ALL
                SELECT cut, ends, 1, %(next_midnight)s FROM found) either
               ORDER BY up_to - above LIMIT 1)
            SELECT operation, sum(credits), sum(captures)::bigint FROM (
              SELECT operation, credits, captures FROM credits_usageday
               WHERE account_id = %(account)s AND day_date >= (SELECT (days_from AT TIME ZONE 'UTC')::date FROM part)
              UNION ALL
              SELECT h.operation, (SELECT sign FROM part) * (h.captured - h.refunded), (SELECT sign FROM part)
                FROM credits_entry e JOIN credits_hold h ON h.account_id = e.account_id AND h.number = e.hold_number
               WHERE e.account_id = %(account)s AND e.entry_type = 'usage'
                 AND e.type_number > (SELECT above FROM part) AND e.type_number <= (SELECT up_to FROM part)) used
            GROUP BY operation HAVING sum(captures) > 0 ORDER BY operation
            """,
            {
                "account": account_id,
                "since": since,
                "midnight": midnight,
                "next_midnight": midnight + timedelta(days=1),
            },
        )
        return [UsageSummary(*row) for row in cursor.fetchall()]


def usage_by_day(*, account_id: UUID, days: int, now: datetime) -> list[UsageOfDay]:
    """Return the last `days` days, today included, also the empty ones, oldest first."""
    first_date = _first_date(days, now)
    rows = (
        UsageDay.objects.filter(account_id=account_id, day_date__gte=first_date)
        .values("day_date")
        .annotate(total=Sum("credits"), count=Sum("captures"))
        .order_by("day_date")
    )
    found = {row["day_date"]: UsageOfDay(row["day_date"], row["total"], row["count"]) for row in rows}
    dates = [first_date + timedelta(days=n) for n in range(days)]
    return [found.get(day, UsageOfDay(day, ZERO, 0)) for day in dates]


def usage_by_model(*, account_id: UUID, days: int, now: datetime) -> list[ModelUsage]:
    """Return what each model cost in the last `days` days, today included, most credits first."""
    rows = (
        UsageDay.objects.filter(account_id=account_id, day_date__gte=_first_date(days, now))
        .values("model_id")
        .annotate(total=Sum("credits"), count=Sum("captures"))
        .order_by("-total", "model_id")
    )
    return [ModelUsage(row["model_id"], row["total"], row["count"]) for row in rows]


def _first_date(days: int, now: datetime) -> date:
    return now.astimezone(UTC).date() - timedelta(days=days - 1)
