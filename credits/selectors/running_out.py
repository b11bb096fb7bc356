"""Whose credits run low or are about to expire, and has not been told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, F, Max, OuterRef, Sum
from django.db.models.functions import TruncDate

from credits import sources
from credits.models import Account, Grant
from credits.selectors.accounts import EXPIRES_SOON, LOW_BALANCE_SHARE
from smartspec.paging import in_pages
from smartspec.users.models import SentMail

LOW_BALANCE_MAIL = "low_balance"
CREDITS_EXPIRE_MAIL = "credits_expire"


@dataclass(frozen=True)
class ExpiringLots:
    """What of an account ends on one day, and when the last of it does."""

    account_id: UUID
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
    """Yield what ends within 7 days, the allowances' own lots aside, by account and day."""
    lots = (
        Grant.objects.filter(is_open=True, expires_at__gt=now, expires_at__lte=now + EXPIRES_SOON)
        .exclude(source__startswith=sources.ALLOWANCE)
        .annotate(day=TruncDate("expires_at"))
        .values("account_id", "day")
        .annotate(credits=Sum("remaining"), last=Max("expires_at"))
        .order_by("account_id", "day")
        .values_list("account_id", "day", "credits", "last", named=True)
    )
    for row in in_pages(lots):
        yield ExpiringLots(*row)
