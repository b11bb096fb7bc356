"""What the back-office reads: one person's lots, holds and adjustments, and the totals of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from credits.models import Account, Adjustment, DayTotal, Grant, Hold

ZERO = Decimal(0)


def frozen_causes(*, account_id: UUID) -> list[str]:
    """Return what freezes an account: `staff`, `dispute:<id>`; empty when nothing does."""
    return list(Account.objects.filter(pk=account_id).values_list("frozen_causes", flat=True).first() or [])


def frozen_causes_of(account_id: OuterRef) -> Subquery:
    """Return what freezes accounts, for queries of rows that name an account."""
    return Subquery(Account.objects.filter(pk=account_id).values("frozen_causes")[:1])


def list_lots(*, account_id: UUID, now: datetime, limit: int) -> list[Grant]:
    """Return the lots in which something is left, in the order in which they are spent."""
    lots = Grant.objects.filter(account_id=account_id, is_open=True).filter(Q(expires_at=None) | Q(expires_at__gt=now))
    order = ("priority", F("expires_at").asc(nulls_last=True), "is_paid", "effective_at", "number")
    return list(lots.order_by(*order)[:limit])


def list_holds_until(*, account_id: UUID, until: datetime, limit: int) -> list[Hold]:
    """Return the newest holds that were placed until a moment, newest first."""
    return list(Hold.objects.filter(account_id=account_id, created_at__lte=until).order_by("-number")[:limit])


def recoverable(*, account_id: UUID, kind: str, source: str) -> Decimal:
    """Return how much of a grant could still be taken back: neither expired unspent nor taken before."""
    lot = Grant.objects.filter(account_id=account_id, kind=kind, source=source).first()
    if lot is None:
        return ZERO
    own = Grant.objects.filter(Q(number=lot.number) | Q(returns_grant=lot.number), account_id=account_id)
    return max(lot.credits - lot.clawed_back - sum(own.values_list("expired", flat=True)), ZERO)


# --- Adjustments --------------------------------------------------------------------------------------------------


def count_awaiting() -> int:
    """Return how many adjustments wait for a second person."""
    return Adjustment.objects.filter(state=Adjustment.State.AWAITING).count()


def list_adjustments(*, user_id: UUID, limit: int) -> list[Adjustment]:
    """Return the newest adjustments of a person's credits, newest first."""
    adjustments = Adjustment.objects.filter(user_id=user_id).select_related("requested_by", "decided_by")
    return list(adjustments.order_by("-requested_at")[:limit])


# --- All accounts together ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Totals:
    """What all accounts did in a span of days, counted at a moment (None: never yet)."""

    given: Decimal
    spent: Decimal
    expired: Decimal
    taken_back: Decimal
    counted_at: datetime | None


@dataclass(frozen=True)
class Standing:
    """What stood in all accounts when it was counted."""

    available: Decimal
    held: Decimal
    debt: Decimal
    accounts: int
    accounts_in_debt: int

    @property
    def outstanding(self) -> Decimal:
        """What the company owes: credits that may still be spent."""
        return self.available + self.held


GIVEN = ("purchase", "bonus", "subscription", "adjustment_given", "clawback_given")
TAKEN_BACK = ("clawback_taken", "adjustment_taken")


def sum_days(*, now: datetime, days: int) -> Totals:
    """Return what happened in the last `days` days (UTC), today included. Spent is usage less what was refunded."""
    rows = list(_since(now, days).filter(kind=DayTotal.Kind.ENTRIES))

    def total(names: Sequence[str]) -> Decimal:
        return sum((row.credits for row in rows if row.name in names), ZERO)

    counted = DayTotal.objects.filter(day_date=_today(now)).values_list("counted_at", flat=True).first()
    return Totals(
        given=total(GIVEN),
        spent=-total(("usage", "refund")),
        expired=-total(("expiry",)),
        taken_back=-total(TAKEN_BACK),
        counted_at=counted,
    )


def get_standing() -> Standing:
    """Return what stood in all accounts at the last count."""
    last = DayTotal.objects.filter(kind=DayTotal.Kind.STANDING).order_by("-day_date").first()
    day = last.day_date if last else date.min
    rows = {row.name: row for row in DayTotal.objects.filter(day_date=day, kind=DayTotal.Kind.STANDING)}
    parts = {name: rows[name].credits if name in rows else ZERO for name in ("available", "held", "debt")}
    return Standing(
        **parts,
        accounts=rows["available"].count if rows else 0,
        accounts_in_debt=rows["debt"].count if rows else 0,
    )


def usage_of_days(*, now: datetime, days: int) -> tuple[list[date], dict[str, list[Decimal]]]:
    """Return the last `days` days, oldest first, and for each operation what was spent on each of them."""
    dates = [_today(now) - timedelta(days=offset) for offset in reversed(range(days))]
    rows = _since(now, days).filter(kind=DayTotal.Kind.USAGE)
    found = {(row.name, row.day_date): row.credits for row in rows}
    names = sorted({name for name, _ in found})
    return dates, {name: [found.get((name, day), ZERO) for day in dates] for name in names}


def _since(now: datetime, days: int) -> QuerySet[DayTotal]:
    return DayTotal.objects.filter(day_date__gt=_today(now) - timedelta(days=days), day_date__lte=_today(now))


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()
