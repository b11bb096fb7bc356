"""What was spent, from the daily rollup: captures, less what was refunded of them. Days are UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from credits.models import UsageDay

ZERO = Decimal(0)


@dataclass(frozen=True)
class UsageSummary:
    """What an operation cost in a span of time."""

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


def usage_since(*, account_id: UUID, since: datetime, until: datetime | None = None) -> list[UsageSummary]:
    """Return what each operation cost from a moment on, before `until` where that is given, by name.

    From the start of an allowance period on, the sum is what the account counts as used. Whole days come from the
    rollup: those from the first moment on, less those from the second on. A moment cuts its day in two: the captures of
    the smaller part are counted singly, and added to the days after it, or taken from the days with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH part AS MATERIALIZED (
              SELECT moment.sign, coalesce(smaller.days_from, moment.midnight) AS days_from,
                     smaller.above, smaller.up_to, smaller.side
                FROM (SELECT sign, at, date_trunc('day', at, 'UTC') AS midnight
                        FROM (VALUES (1, %(since)s::timestamptz), (-1, %(until)s)) AS given (sign, at)) moment
                LEFT JOIN LATERAL (
                  WITH found AS MATERIALIZED (
                    SELECT moment.midnight + interval '24 hours' AS next_midnight,
                           credits_find_entry(%(account)s, moment.midnight, 'usage') AS begins,
                           credits_find_entry(%(account)s, moment.at, 'usage') AS cut,
                           credits_find_entry(%(account)s, moment.midnight + interval '24 hours', 'usage') AS ends)
                  SELECT * FROM (
                    SELECT begins AS above, cut AS up_to, -1 AS side, moment.midnight AS days_from FROM found
                    UNION ALL
                    SELECT cut, ends, 1, next_midnight FROM found) either
                   ORDER BY up_to - above LIMIT 1) smaller ON moment.at <> moment.midnight)
            SELECT operation, sum(credits), sum(captures)::bigint FROM (
              SELECT u.operation, sign * u.credits AS credits, sign * u.captures AS captures
                FROM part JOIN credits_usageday u
                  ON u.account_id = %(account)s AND u.day_date >= (days_from AT TIME ZONE 'UTC')::date
              UNION ALL
              SELECT h.operation, sign * side * h.credits, sign * side
                FROM part
                JOIN credits_entry e ON e.account_id = %(account)s AND e.entry_type = 'usage'
                                    AND e.type_number > above AND e.type_number <= up_to
                -- One by one: how few these are the planner cannot know, and would read all holds of the account.
                CROSS JOIN LATERAL (
                  SELECT operation, captured - refunded AS credits FROM credits_hold
                   WHERE account_id = e.account_id AND number = e.hold_number LIMIT 1) h) used
            GROUP BY operation HAVING sum(captures) > 0 ORDER BY operation
            """,
            {"account": account_id, "since": since, "until": until},
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
