"""The daily bill: each account pays for each day that is over, once, at the rate in effect when the day began.

Charge and bill are one transaction under the account's lock, so that a second biller, a crash or a pause changes
nothing: what is billed is billed, and what is not is found by the next run. Some accounts share a transaction, since
each costs a write to disk; when one of them fails, they are billed one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice, zip_longest
from uuid import UUID

from django.db import connection, transaction

from credits import services as credits_services
from media import metering, selectors
from media.models import StorageAccount, StorageDay
from media.services import accounts, arrears
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

ZERO = Decimal(0)
ACCOUNTS_PER_TRANSACTION = 50  # whoever places a hold meanwhile waits for all of them
SAVED_FIELDS = {
    "account_id": "uuid",
    "metered_at": "timestamptz",
    "day_byte_seconds": "numeric",
    "billed_until": "date",
    "carried": "numeric",
    "billed_credits": "numeric",
    "paid_credits": "numeric",
    "unpaid_since": "timestamptz",
    "step": "text",
}
SAVE_BILLS = f"""
    WITH days AS (
      INSERT INTO media_storageday (user_id, day_date, byte_seconds, credits, paid_credits, billed_at)
      SELECT * FROM unnest(%(users)s::uuid[], %(dates)s::date[], %(byte_seconds)s::numeric[], %(credits)s::numeric[],
        %(day_paid)s::numeric[], %(billed_at)s::timestamptz[])
      ON CONFLICT (user_id, day_date) DO UPDATE
        SET credits = excluded.credits, paid_credits = excluded.paid_credits, billed_at = excluded.billed_at)
    UPDATE media_storageaccount a SET {", ".join(f"{field} = b.{field}" for field in SAVED_FIELDS)}
      FROM unnest({", ".join(f"%({field})s::{type_name}[]" for field, type_name in SAVED_FIELDS.items())})
        AS b ({", ".join(SAVED_FIELDS)})
     WHERE a.account_id = b.account_id
"""  # noqa: S608 - names of our own alone


class DayNotOver(DomainError):
    """A day is billed when it is over."""

    code, status, title = "day_not_over", 422, "The day is not over"


@dataclass
class Bills:
    """What a run of the biller has done so far: accounts and days billed, what they cost, and what of it was paid;
    `collected` is arrears of earlier days. `failed` accounts will be tried again by the next run."""

    accounts: int = 0
    days: int = 0
    credits: Decimal = ZERO
    paid: Decimal = ZERO
    collected: Decimal = ZERO
    failed: int = 0

    def add(self, more: "Bills") -> None:
        """Add what another run, or a part of this one, has done."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(more, field.name))


def bill_storage(
    *,
    now: datetime,
    until: date | None = None,
    is_dry_run: bool = False,
    on_progress: Callable[[Bills], None] | None = None,
) -> Bills:
    """This will bill every account for its days before `until` (default: today, so all that are over).

    A dry run reckons and writes nothing. An account that fails is written down and left to the next run.

    :raises DayNotOver: `until` lies after today.
    """
    today = now.astimezone(UTC).date()
    until = until or today
    if until > today:
        raise DayNotOver(f"Days before {until} are not all over: today is {today}.", today=str(today))
    bills = Bills()
    for user_ids in batched(selectors.iterate_accounts_to_bill(until=until), ACCOUNTS_PER_TRANSACTION):
        try:
            bills.add(bill_accounts(user_ids=user_ids, until=until, now=now, is_dry_run=is_dry_run))
        except Exception:
            log.warning("Storage is billed one by one", first_user_id=str(user_ids[0]), exc_info=True)
            bill_one_by_one(user_ids=user_ids, until=until, now=now, bills=bills, is_dry_run=is_dry_run)
        if on_progress is not None:
            for _ in user_ids:
                on_progress(bills)
    return bills


def batched(ids: Iterator[UUID], size: int) -> Iterator[list[UUID]]:
    """Yield ids in lists of so many."""
    while some := list(islice(ids, size)):
        yield some


def bill_one_by_one(*, user_ids: Sequence[UUID], until: date, now: datetime, bills: Bills, is_dry_run: bool) -> None:
    """This will bill accounts of which one fails: it is written down, and the others are billed."""
    for user_id in user_ids:
        try:
            bills.add(bill_accounts(user_ids=[user_id], until=until, now=now, is_dry_run=is_dry_run))
        except Exception:
            log.exception("Storage was not billed", user_id=str(user_id))
            bills.failed += 1


def bill_accounts(*, user_ids: Sequence[UUID], until: date, now: datetime, is_dry_run: bool = False) -> Bills:
    """This will bill accounts for their days before `until` that are not billed yet: all of them, or none."""
    bills = Bills()
    with transaction.atomic():
        locked = accounts.lock_accounts(user_ids=user_ids)
        days = [due_days(account, until=until) for account in locked]
        if not is_dry_run:
            for account in locked:
                bills.collected += arrears.collect(account, now=now)
                arrears.step_on(account, now=now)
        for at_once in zip_longest(*days):  # everybody's first day, then everybody's second, …
            bill_days(list(zip(locked, at_once, strict=True)), now=now, is_dry_run=is_dry_run)
        if not is_dry_run:
            for account in locked:
                account.billed_until = max(until, account.billed_until)
                arrears.step_on(account, now=now)
            save_bills(locked, [day for some in days for day in some])
    bills.accounts = sum(map(bool, days))
    for day in (day for some in days for day in some):
        bills.days += 1
        bills.credits += day.credits or ZERO
        bills.paid += day.paid_credits
    return bills


def due_days(account: StorageAccount, *, until: date) -> list[StorageDay]:
    """Return an account's days before `until` that are not billed: those on record, then those that end just now."""
    on_record: list[StorageDay] = []
    if account.billed_until < account.metered_at.astimezone(UTC).date():
        unbilled = StorageDay.objects.filter(user_id=account.user_id, billed_at=None, day_date__lt=until)
        on_record = list(unbilled.order_by("day_date"))
    return on_record + accounts.meter(account, until=metering.start_of(until))


def bill_days(billed: Sequence[tuple[StorageAccount, StorageDay | None]], *, now: datetime, is_dry_run: bool) -> None:
    """This will price a day of each account and charge what there is. Arrears come first, so while there are any
    nothing is left."""
    charged = []
    for account, day in billed:
        if day is None:
            continue
        rate = selectors.storage_rate(at=metering.start_of(day.day_date))
        day.credits, account.carried = metering.price(byte_seconds=day.byte_seconds, rate=rate, carried=account.carried)
        day.billed_at = now
        if day.credits and not account.arrears_credits:
            charged.append((account, day))
        account.billed_credits += day.credits
    if is_dry_run or not charged:
        return
    answers = credits_services.charge_many(
        operation=selectors.OPERATION,
        orders=[charge_for(day) for _, day in charged],
        now=now,
        partial=True,
        reference_type=selectors.OPERATION,
    )
    for (account, day), answer in zip(charged, answers, strict=True):
        day.paid_credits = answer.credits
        account.paid_credits += answer.credits


def charge_for(day: StorageDay) -> credits_services.ChargeOrder:
    """Return what a priced day is charged as, once."""
    return credits_services.ChargeOrder(
        account_id=day.user_id,
        credits=day.credits or ZERO,
        idempotency_key=f"storage:{day.day_date}",
        description=f"Storage on {day.day_date}: {metering.average_gb(day.byte_seconds).normalize():f} GB on average",
        reference_id=str(day.day_date),
    )


def save_bills(billed: Sequence[StorageAccount], days: Sequence[StorageDay]) -> None:
    """This will save accounts and put their billed days on record, in one round trip."""
    with connection.cursor() as cursor:
        cursor.execute(
            SAVE_BILLS,
            {
                "users": [day.user_id for day in days],
                "dates": [day.day_date for day in days],
                "byte_seconds": [day.byte_seconds for day in days],
                "credits": [day.credits for day in days],
                "day_paid": [day.paid_credits for day in days],
                "billed_at": [day.billed_at for day in days],
                "account_id": [account.user_id for account in billed],
                **{
                    field: [getattr(account, field) for account in billed]
                    for field in SAVED_FIELDS
                    if field != "account_id"
                },
            },
        )
