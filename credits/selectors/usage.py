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

    Whole days come from the rollup; the captures of the first day, which the moment cuts in two, are counted singly.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT operation, sum(credits), sum(captures)::bigint FROM (
              SELECT operation, credits, captures FROM credits_usageday
               WHERE account_id = %(account)s AND day_date > %(day)s
              UNION ALL
              SELECT h.operation, h.captured - h.refunded, 1
                FROM credits_entry e JOIN credits_hold h ON h.account_id = e.account_id AND h.number = e.hold_number
               WHERE e.account_id = %(account)s AND e.entry_type = 'usage'
                 AND e.type_number > credits_find_entry(%(account)s, %(since)s, 'usage')
                 AND e.type_number <= credits_find_entry(%(account)s, %(next_day)s, 'usage')) used
            GROUP BY operation ORDER BY operation
            """,
            {
                "account": account_id,
                "since": since,
                "day": since.astimezone(UTC).date(),
                "next_day": datetime.combine(since.astimezone(UTC).date() + timedelta(days=1), time(), tzinfo=UTC),
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
