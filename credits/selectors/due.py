"""What is due: lots and holds that have ended and nobody has noticed, allowances that are not given yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from credits import sources
from credits.models import Account
from smartspec.users import selectors as users_selectors

PAGE_ROWS = 500


@dataclass(frozen=True)
class DueAccount:
    """An account in which lots or holds have ended and nobody has noticed."""

    account_id: UUID
    lots: int
    holds: int


def list_due(*, now: datetime, limit: int, after: UUID | None = None) -> list[DueAccount]:
    """Return accounts in which something has ended and is still open, in ascending order, at most `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT account_id, sum(lots), sum(holds) FROM (
              SELECT account_id, 1 AS lots, 0 AS holds FROM credits_grant WHERE is_open AND expires_at <= %(now)s
              UNION ALL
              SELECT account_id, 0, 1 FROM credits_hold WHERE status = 'open' AND expires_at <= %(now)s) due
            WHERE %(after)s::uuid IS NULL OR account_id > %(after)s
            GROUP BY account_id ORDER BY account_id LIMIT %(limit)s
            """,
            {"now": now, "limit": limit, "after": after},
        )
        return [DueAccount(*row) for row in cursor.fetchall()]


def iterate_due(*, now: datetime, limit: int | None = None) -> Iterator[DueAccount]:
    """Yield the accounts in which something has ended and is still open, in ascending order, page by page."""
    after = None
    while limit is None or limit > 0:
        page = list_due(now=now, limit=PAGE_ROWS if limit is None else min(limit, PAGE_ROWS), after=after)
        if not page:
            return
        yield from page
        after = page[-1].account_id
        limit = None if limit is None else limit - len(page)


def iterate_accounts_with_due_allowance(*, now: datetime) -> Iterator[UUID]:
    """Yield the accounts whose next allowance is due, and who has confirmed an address and has no account yet.

    Left out is who can be given nothing: a plan without monthly credits, Free without a confirmed address.
    """
    confirmed = users_selectors.with_verified_email()
    due = Account.objects.filter(
        Q(allowance_until__isnull=True) | Q(allowance_until__lte=now),
        Q(plan_source=sources.FREE, user__in=confirmed)
        | Q(paid_until__gt=Coalesce(F("allowance_until"), F("anchor_at"))),
        plan__monthly_credits__gt=0,
    )
    yield from _ids(due)
    yield from _ids(confirmed.filter(credit_account__isnull=True))


def _ids(rows: QuerySet[Any]) -> Iterator[UUID]:
    page = rows.order_by("pk").values_list("pk", flat=True)
    found = list(page[:PAGE_ROWS])
    while found:
        yield from found
        found = list(page.filter(pk__gt=found[-1])[:PAGE_ROWS])
