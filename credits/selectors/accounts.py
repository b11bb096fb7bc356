"""An account: its balance, its plan state, and what is due in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Q

from credits import catalogue, sources
from credits.models import Account, Entry, Grant, Hold
from credits.periods import Period, period_at
from smartspec.paging import in_pages

RENEWAL_GRACE = timedelta(hours=72)  # a paid plan's lot waits this long past its period for the renewal invoice
EXPIRES_SOON = timedelta(days=7)
LOW_BALANCE_SHARE = Decimal("0.2")
ZERO = Decimal(0)
ACCOUNT_FIELDS = [field.attname for field in Account._meta.concrete_fields]
FIND = f"""
SELECT person.created_at, {", ".join(f"account.{field.column}" for field in Account._meta.concrete_fields)}
  FROM users_user person LEFT JOIN credits_account account ON account.account_id = person.id WHERE person.id = %s
"""  # noqa: S608  names of our own alone


@dataclass(frozen=True)
class ExpiringCredits:
    """Credits that end at a moment."""

    credits: Decimal
    expires_at: datetime


@dataclass(frozen=True)
class Balance:
    """An account's credits at a moment: available = total - used - held, whatever the sweeper has or has not done."""

    account_id: UUID
    available: Decimal
    held: Decimal
    debt: Decimal
    used: Decimal
    plan: str
    monthly_allowance: Decimal
    period_start: datetime
    period_end: datetime
    is_frozen: bool
    low_balance: bool
    next_allowance_at: datetime | None
    expires_soon: tuple[ExpiringCredits, ...]

    @property
    def total(self) -> Decimal:
        return self.available + self.held + self.used

    @property
    def balance(self) -> Decimal:
        """The sum of all entries."""
        return self.available + self.held - self.debt


@dataclass(frozen=True)
class PlanState:
    """Which plan an account has, where from, and where it is in its month.

    `next_allowance_at` is None while nothing is paid for (a trial, a renewal that was not paid yet), and while the
    first allowance, which opens the account, waits for a verified e-mail.
    """

    plan: str
    anchor_at: datetime
    paid_until: datetime | None
    source: str
    period_start: datetime
    period_end: datetime
    next_allowance_at: datetime | None


def find_open_account(*, account_id: UUID) -> Account | None:
    """Return an account, or None while nothing has ever touched it."""
    return Account.objects.filter(pk=account_id).first()


def is_frozen(*, account_id: UUID) -> bool:
    """Tell whether any cause freezes the account."""
    return Account.objects.filter(pk=account_id).exclude(frozen_causes=[]).exists()


def list_with_credits(*, account_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the accounts that have credits available, as far as written: what is due may be more or less."""
    return list(Account.objects.filter(pk__in=account_ids, available__gt=0).values_list("pk", flat=True))


def get_plan_state(*, account_id: UUID, now: datetime) -> PlanState:
    """Return the plan state; an account that nothing has touched is on Free, since its person came."""
    account, came_at = _find(account_id, now)
    if account is None:
        period = period_at(came_at, now)
        return PlanState(sources.FREE, came_at, None, sources.FREE, period.start_at, period.end_at, None)
    period = period_at(account.anchor_at, now)
    return PlanState(
        plan=account.plan_id,
        anchor_at=account.anchor_at,
        paid_until=account.paid_until,
        source=account.plan_source,
        period_start=period.start_at,
        period_end=period.end_at,
        next_allowance_at=next_allowance_at(account, period, now),
    )


def _find(account_id: UUID, now: datetime) -> tuple[Account | None, datetime]:
    """Return an account, None while nothing has touched it, and since when its months count then: its person came.

    Every page and many calls begin with it, and composing the statement costs the ORM more than Postgres to answer it.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND, [account_id])
        came_at, *row = cursor.fetchone() or (now, None)
    account = None if row[0] is None else Account.from_db(connection.alias, ACCOUNT_FIELDS, row)
    return account, came_at


def next_allowance_at(account: Account, period: Period, now: datetime) -> datetime | None:
    """Return when the next allowance comes, None while the one before it is not paid for.

    The renewal at the end of what is paid for brings the next one, so that is announced too.
    """
    is_paid = account.plan_source == sources.FREE or (account.paid_until is not None and account.paid_until > now)
    return period.end_at if is_paid else None


def month_at(*, anchor_at: datetime, at: datetime) -> Period:
    """Return the allowance month, counted from an anchor, that contains a moment."""
    return period_at(anchor_at, at)


def get_balance(*, account_id: UUID, now: datetime) -> Balance:
    """Return what an account has at `now`. Expired lots and holds count as ended although nobody has noticed yet."""
    account, came_at = _find(account_id, now)
    if account is None:
        return _balance(account_id, sources.FREE, False, period_at(came_at, now), None, (), {})
    if account.next_due_at <= now:
        account, parts, lots = _settled(account, now)
    else:
        parts = _parts(account)
        lots = list(
            Grant.objects.filter(account_id=account_id, is_open=True, expires_at__lte=now + EXPIRES_SOON).order_by(
                "expires_at", "number"
            )
        )
    period = Period(account.period_start_at, account.period_end_at)
    if account.period_end_at <= now:
        period = period_at(account.anchor_at, now)
        parts["used"] = ZERO
    soon = tuple(
        ExpiringCredits(lot.remaining, lot.expires_at)
        for lot in lots
        if lot.expires_at is not None
        and now < lot.expires_at <= now + EXPIRES_SOON
        and lot.remaining > 0
        and not _is_own_allowance(lot, account.plan_source, period)
    )
    comes_at = next_allowance_at(account, period, now)
    return _balance(account_id, account.plan_id, bool(account.frozen_causes), period, comes_at, soon, parts)


def _balance(
    account_id: UUID,
    plan: str,
    frozen: bool,
    period: Period,
    comes_at: datetime | None,
    soon: tuple[ExpiringCredits, ...],
    parts: dict[str, Decimal],
) -> Balance:
    allowance = next(row.monthly_credits for row in catalogue.get().plans if row.slug == plan)
    available = parts.get("available", ZERO)
    return Balance(
        account_id=account_id,
        available=available,
        held=parts.get("held", ZERO),
        debt=parts.get("debt", ZERO),
        used=parts.get("used", ZERO),
        plan=plan,
        monthly_allowance=allowance,
        period_start=period.start_at,
        period_end=period.end_at,
        is_frozen=frozen,
        low_balance=available < allowance * LOW_BALANCE_SHARE,
        next_allowance_at=comes_at,
        expires_soon=soon,
    )


def _is_own_allowance(lot: Grant, plan_source: str, period: Period) -> bool:
    """Tell whether a lot is what the plan gave for its month, or for the last one while that waits for the renewal."""
    ends = (period.end_at, period.end_at + RENEWAL_GRACE, period.start_at + RENEWAL_GRACE)
    return lot.source.startswith(sources.allowances_of(plan_source)) and lot.expires_at in ends


def _parts(account: Account) -> dict[str, Decimal]:
    return {"available": account.available, "held": account.held, "debt": account.debt, "used": account.period_used}


def _settled(account: Account, now: datetime) -> tuple[Account, dict[str, Decimal], list[Grant]]:
    """Reckon what `credits_settle_due` would leave, without writing it: reads may run on a replica.

    The account, its holds and its lots are read one after the other. Whatever moves credits between them changes the
    account: then they are read again, and the account is returned as it is now.
    """
    while True:
        holds, lots = _read_due(account, now)
        again = Account.objects.get(pk=account.pk)
        if all(getattr(account, field) == getattr(again, field) for field in ACCOUNT_FIELDS):
            return account, *_reckon(account, holds, lots, now)
        account = again


def _read_due(account: Account, now: datetime) -> tuple[list[Hold], dict[int, Grant]]:
    """Return the open holds that are due, and the lots that are open or that these holds took from."""
    holds = list(
        Hold.objects.filter(account_id=account.pk, status=Hold.Status.OPEN, expires_at__lte=now).order_by(
            "expires_at", "number"
        )
    )
    numbers = {number for hold in holds for number in hold.lot_numbers}
    lots = Grant.objects.filter(account_id=account.pk).filter(Q(is_open=True) | Q(number__in=numbers))
    return holds, {lot.number: lot for lot in lots}


def _reckon(
    account: Account, holds: list[Hold], lots: dict[int, Grant], now: datetime
) -> tuple[dict[str, Decimal], list[Grant]]:
    held, debt = account.held, account.debt
    for hold in holds:
        for lot in lots.values():
            _end_lot(lot, hold.expires_at)
        held -= hold.credits
        repaid = min(debt, hold.credits)
        debt -= repaid
        back = hold.credits - repaid
        for number, taken in reversed(list(zip(hold.lot_numbers, hold.lot_credits, strict=True))):
            returned = min(taken, back)
            back -= returned
            if returned:
                _return_to_lot(lots[number], returned, hold.expires_at)
    for lot in lots.values():
        _end_lot(lot, now)
    available = sum((lot.remaining for lot in lots.values()), ZERO)
    remaining = sorted((lot for lot in lots.values() if lot.expires_at), key=lambda lot: (lot.expires_at, lot.number))
    return _parts(account) | {"available": available, "held": held, "debt": debt}, remaining


def _end_lot(lot: Grant, at: datetime) -> None:
    if lot.expires_at is not None and lot.expires_at <= at:
        lot.remaining = ZERO


def _return_to_lot(lot: Grant, credits: Decimal, at: datetime) -> None:
    end_at = lot.expires_at
    lot.remaining += credits
    if end_at is not None and end_at <= at < end_at + timedelta(hours=48) and lot.own_end_at is None:
        lot.own_end_at = end_at
        lot.expires_at = min(at + timedelta(hours=24), end_at + timedelta(hours=48))


def balance_at(*, account_id: UUID, at: datetime) -> Decimal:
    """Return the balance (available + held - debt) just after everything that was written until `at`."""
    with connection.cursor() as cursor:
        # The function looks before a moment; until is before the next microsecond.
        cursor.execute("SELECT credits_find_entry(%s, %s)", [account_id, at + timedelta(microseconds=1)])
        (number,) = cursor.fetchone()
    entry = Entry.objects.filter(account_id=account_id, number=number or 0).only("balance_after").first()
    return ZERO if entry is None else entry.balance_after


def allowance_given(*, account_id: UUID, source: str, period_start: datetime) -> Decimal:
    """Return what a plan source's allowance gave for the period that begins at `period_start`; 0: nothing yet."""
    given = Grant.objects.filter(
        account_id=account_id,
        kind=Grant.Kind.SUBSCRIPTION,
        source=sources.allowance(source, period_start),
    ).first()
    return ZERO if given is None else given.credits


@dataclass(frozen=True)
class GivenAllowance:
    """The allowance of one period of a plan source."""

    source: str
    period_start: datetime
    credits: Decimal


def allowances_given(*, account_id: UUID, source: str) -> list[GivenAllowance]:
    """Return every allowance that a plan source has given, oldest first."""
    given = Grant.objects.filter(
        account_id=account_id, kind=Grant.Kind.SUBSCRIPTION, source__startswith=sources.allowances_of(source)
    )
    return [
        GivenAllowance(lot.source, sources.period_start_of(lot.source), lot.credits) for lot in given.order_by("source")
    ]


@dataclass(frozen=True)
class GrantSummary:
    """What one grant gave, to whom, and for what."""

    account_id: UUID
    kind: str
    source: str
    credits: Decimal


def granted(*, account_id: UUID, kind: str, source: str) -> Decimal:
    """Return the credits of the grant of this kind and source, 0 without one."""
    found = Grant.objects.filter(account_id=account_id, kind=kind, source=source).values_list("credits", flat=True)
    return found.first() or ZERO


def iterate_grants(
    *, source_prefix: str, since: datetime | None, until: datetime, account_id: UUID | None = None
) -> Iterator[GrantSummary]:
    """Yield the grants with such a source that were given in a time, of one account or of all, in constant memory."""
    grants = Grant.objects.filter(source__startswith=source_prefix, effective_at__lte=until)
    if since is not None:
        grants = grants.filter(effective_at__gte=since)
    if account_id is not None:
        grants = grants.filter(account_id=account_id)
    columns = ("account_id", "kind", "source", "credits", "number")
    for row in in_pages(grants.order_by("account_id", "number").values_list(*columns, named=True)):
        yield GrantSummary(row.account_id, row.kind, row.source, row.credits)
