"""The ledger on the home page. Everything is read from the totals of days: nothing here adds up entries."""

from datetime import datetime

from django.urls import reverse

from credits import selectors
from credits.templatetags.ledger_words import operation_name
from smartspec import backoffice
from smartspec.admin import plain_credits
from smartspec.backoffice import Chart, Figure, Task

USAGE_DAYS = 30


@backoffice.figures(right="credits.view_entry", order=30)
def credits_of_days(now: datetime) -> list[Figure]:
    """Credits given, spent and expired: today, and in 30 days."""
    today, month = selectors.sum_days(now=now, days=1), selectors.sum_days(now=now, days=USAGE_DAYS)

    def figure(label: str, name: str) -> Figure:
        return Figure(
            f"Credits {label} today",
            plain_credits(getattr(today, name)),
            f"{plain_credits(getattr(month, name))} in 30 days",
        )

    return [figure("given", "given"), figure("spent", "spent"), figure("expired", "expired")]


@backoffice.figures(right="credits.view_account", order=40)
def standing(now: datetime) -> list[Figure]:
    """What the company owes in credits, and what is owed to it."""
    stood = selectors.get_standing()
    accounts = reverse("admin:credits_account_changelist")
    counted = selectors.sum_days(now=now, days=1).counted_at
    at = f"counted at {counted:%H:%M} UTC" if counted else "not counted today yet"
    return [
        Figure("Outstanding credits", plain_credits(stood.outstanding), f"a liability, {at}", accounts),
        Figure(
            "Debt",
            plain_credits(stood.debt),
            f"in {stood.accounts_in_debt:,} of {stood.accounts:,} accounts",
            f"{accounts}?state=debt",
            "warning" if stood.debt else "",
        ),
    ]


@backoffice.charts(right="credits.view_usageday", order=10)
def usage(now: datetime) -> list[Chart]:
    """What was spent, by operation."""
    dates, series = selectors.usage_of_days(now=now, days=USAGE_DAYS)
    shown = {operation_name(name): values for name, values in series.items()}
    return [Chart("Credits spent by operation, last 30 days", [f"{day:%d %b}" for day in dates], shown)]


@backoffice.tasks(right="credits.view_adjustment", order=40)
def adjustments_awaiting(now: datetime) -> list[Task]:
    """Adjustments above somebody's limit."""
    return [
        Task(
            "Adjustments await approval",
            selectors.count_awaiting(),
            reverse("admin:credits_adjustment_changelist") + "?state__exact=awaiting",
            "Somebody else than who asked decides.",
            "primary",
        )
    ]
