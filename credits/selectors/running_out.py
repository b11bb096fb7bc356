"""Whose credits run low or are about to expire, and has not been told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

from django.db.models import Exists, F, Max, OuterRef, Q, Sum, Value
from django.db.models.functions import Concat, TruncDate

from credits import sources
from credits.models import Account, Grant
from credits.selectors.accounts import EXPIRES_SOON, LOW_BALANCE_SHARE, RENEWAL_GRACE
from smartspec.paging import PAGE_ROWS, in_pages
from smartspec.users.models import SentMail, User

LOW_BALANCE_MAIL = "low_balance"
CREDITS_EXPIRE_MAIL = "credits_expire"


@dataclass(frozen=True)
class ExpiringLots:
    """What somebody has that ends on one day, and when the last of it does."""

    user: User
    day: date
    credits: Decimal
    expires_at: datetime


def iterate_low_accounts(*, now: datetime, is_empty: bool) -> Iterator[Account]:
    """Yield accounts that have spent in this period, are low (with `is_empty`: have nothing) and were not told."""
    told = SentMail.objects.filter(
        user_id=OuterRef("user_id"),
        template=LOW_BALANCE_MAIL,
        cause__startswith="empty:" if is_empty else "",
        sent_at__gte=OuterRef("period_start_at"),
    )
    low = {"available": 0} if is_empty else {"available__lt": F("plan__monthly_credits") * LOW_BALANCE_SHARE}
    accounts = Account.objects.filter(period_used__gt=0, period_end_at__gt=now, user__is_active=True, **low)
    return in_pages(accounts.exclude(Exists(told)).select_related("user", "plan"))


def iterate_expiring_lots(*, now: datetime) -> Iterator[ExpiringLots]:
    """Yield what ends within 7 days, the allowances' own lots and deactivated people aside, by account and day.

    Those are what the present plan gave for its month, or for the last one while that waits for the renewal.
    """
    end_at = F("account__period_end_at")
    of_plan = Concat(Value(sources.ALLOWANCE), F("account__plan_source"), Value(":"))
    own_ends = (end_at, end_at + RENEWAL_GRACE, F("account__period_start_at") + RENEWAL_GRACE)
    due = Grant.objects.filter(is_open=True, expires_at__gt=now, expires_at__lte=now + EXPIRES_SOON)
    lots = (
        due.filter(account__user__is_active=True)
        .exclude(Q(source__startswith=of_plan, expires_at__in=own_ends))
        .annotate(day=TruncDate("expires_at"))
        .values("account_id", "day")
        .annotate(credits=Sum("remaining"), last=Max("expires_at"))
        .order_by("account_id", "day")
        .values_list("account_id", "day", "credits", "last", named=True)
    )
    rows = in_pages(lots)
    while page := list(islice(rows, PAGE_ROWS)):
        people = User.objects.in_bulk({row.account_id for row in page})
        for row in page:
            yield ExpiringLots(people[row.account_id], row.day, row.credits, row.last)
