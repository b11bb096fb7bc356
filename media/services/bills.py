"""The daily bill: each account pays for each day that is over, once, at the rate in effect when the day began.

Charge and bill are one transaction under the account's lock, so that a second biller, a crash or a pause changes
nothing: what is billed is billed, and what is not is found by the next run. Most accounts can pay: fifty are billed by
one call of the database (`sql/bill_accounts.sql`). The others are, step by step; either way is reckoned and named here.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from credits import services as credits_services
from media import metering, selectors
from media.models import StorageAccount, StorageDay
from media.services import accounts, arrears
from smartspec import statements
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

ZERO = Decimal(0)
SAVED_FIELDS = (
    *("metered_at", "day_byte_seconds", "billed_until", "carried"),
    *("billed_credits", "paid_credits", "unpaid_since", "step"),
)
SAVE_BILL = f"""
    WITH days AS (
      INSERT INTO media_storageday (user_id, day_date, byte_seconds, credits, paid_credits, billed_at)
      SELECT %(account)s, * FROM unnest(%(dates)s::date[], %(byte_seconds)s::numeric[], %(credits)s::numeric[],
        %(day_paid)s::numeric[], %(billed_at)s::timestamptz[])
      ON CONFLICT (user_id, day_date) DO UPDATE
        SET credits = excluded.credits, paid_credits = excluded.paid_credits, billed_at = excluded.billed_at)
    UPDATE media_storageaccount SET {", ".join(f"{field} = %({field})s" for field in SAVED_FIELDS)}
     WHERE account_id = %(account)s
"""  # noqa: S608 - names of our own alone
BATCH = 50
READ_FIELDS = ("stored_bytes", "metered_at", "billed_until")
BILL = "CALL media_bill_accounts(%s::jsonb, %s::date, %s::text, %s::timestamptz, %s, NULL)"


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

    def add(self, days: list[StorageDay], *, collected: Decimal = ZERO) -> None:
        """Add an account's bill."""
        self.accounts += bool(days)
        self.days += len(days)
        self.credits += sum((day.credits for day in days if day.credits), ZERO)
        self.paid += sum((day.paid_credits for day in days), ZERO)
        self.collected += collected


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
    to_bill = selectors.iterate_accounts_to_bill(until=until)
    while batch := list(islice(to_bill, BATCH)):
        left = batch
        try:
            if not is_dry_run:
                left = bill_as_read(batch, until=until, now=now, bills=bills)
        except Exception:
            log.exception("Storage is billed step by step")
        for account in left:
            try:
                bill_account(user_id=account.user_id, until=until, now=now, bills=bills, is_dry_run=is_dry_run)
            except Exception:
                log.exception("Storage was not billed", user_id=str(account.user_id))
                bills.failed += 1
        if on_progress is not None:
            on_progress(bills)
    return bills


def bill_as_read(batch: Sequence[StorageAccount], *, until: date, now: datetime, bills: Bills) -> list[StorageAccount]:
    """This will bill accounts that were read without a lock, in one round trip, and return those that it could not.

    It can where nothing is owed or on record, the credits suffice, and nobody has changed the account meanwhile; of the
    others nothing was written. Each account is a transaction of its own, unless the caller is in one.
    """
    reckoned: dict[UUID, list[StorageDay]] = {}
    lines = []
    for account in batch:
        if account.unpaid_since is None and not has_days_on_record(account):
            as_read = {field: getattr(account, field) for field in READ_FIELDS}
            days = due_days(account, until=until)
            for day in days:
                reckon(account, day, now=now)
                day.paid_credits = day.credits or ZERO
            bill = {"carried": account.carried, "credits": sum((day.paid_credits for day in days), ZERO)}
            lines.append({"account_id": account.user_id, **as_read, **bill, "days": [line_of(day) for day in days]})
            reckoned[account.user_id] = days
    accounts_as_read = json.dumps(lines, default=str)
    commits = not connection.in_atomic_block
    ((left,),) = statements.fetch_all(BILL, (accounts_as_read, until, selectors.OPERATION, now, commits))
    for user_id in left:
        del reckoned[user_id]
    for days in reckoned.values():
        bills.add(days)
    return [account for account in batch if account.user_id not in reckoned]


def line_of(day: StorageDay) -> dict[str, Any]:
    """Return a day, and its charge, as `media_bill_account` reads it."""
    return {"day_date": day.day_date, "byte_seconds": day.byte_seconds, "credits": day.credits} | name_of(day)


def bill_account(*, user_id: UUID, until: date, now: datetime, bills: Bills, is_dry_run: bool = False) -> None:
    """This will bill one account for its days before `until` that are not billed yet, and add that to `bills`."""
    collected = ZERO
    with transaction.atomic():
        account = accounts.lock_account(user_id=user_id)
        days = due_days(account, until=until)
        if not is_dry_run:
            collected = arrears.collect(account, now=now)
            arrears.step_on(account, now=now)
        for day in days:
            reckon(account, day, now=now)
            if not is_dry_run:
                charge(account, day, now=now)
        if not is_dry_run:
            account.billed_until = max(until, account.billed_until)
            arrears.step_on(account, now=now)
            save_bill(account, days)
    bills.add(days, collected=collected)


def has_days_on_record(account: StorageAccount) -> bool:
    """Tell whether days that ended while something was stored or deleted may be on record and not billed."""
    return account.billed_until < account.metered_at.astimezone(UTC).date()


def due_days(account: StorageAccount, *, until: date) -> list[StorageDay]:
    """Return an account's days before `until` that are not billed: those on record, then those that end just now."""
    on_record: list[StorageDay] = []
    if has_days_on_record(account):
        unbilled = StorageDay.objects.filter(user_id=account.user_id, billed_at=None, day_date__lt=until)
        on_record = list(unbilled.order_by("day_date"))
    return on_record + accounts.meter(account, until=metering.start_of(until))


def reckon(account: StorageAccount, day: StorageDay, *, now: datetime) -> None:
    """This will price a day, and carry over what is less than a millionth of a credit."""
    rate = selectors.storage_rate(at=metering.start_of(day.day_date))
    day.credits, account.carried = metering.price(byte_seconds=day.byte_seconds, rate=rate, carried=account.carried)
    day.billed_at = now


def name_of(day: StorageDay) -> dict[str, str]:
    """Return what a day's charge is called in the ledger."""
    average_gb = metering.average_gb(day.byte_seconds).normalize()
    return {
        "idempotency_key": f"storage:{day.day_date}",
        "reference_id": str(day.day_date),
        "description": f"Storage on {day.day_date}: {average_gb:f} GB on average",
    }


def charge(account: StorageAccount, day: StorageDay, *, now: datetime) -> None:
    """This will charge a day as far as there are credits. Arrears come first: while there are any, nothing is left."""
    credits = day.credits or ZERO
    if credits and not account.arrears_credits:
        day.paid_credits = credits_services.charge(
            account_id=account.user_id,
            operation=selectors.OPERATION,
            credits=credits,
            now=now,
            partial=True,
            reference_type=selectors.OPERATION,
            **name_of(day),
        ).credits
    account.billed_credits += credits
    account.paid_credits += day.paid_credits


def save_bill(account: StorageAccount, days: list[StorageDay]) -> None:
    """This will save an account and put its billed days on record, in one round trip."""
    with connection.cursor() as cursor:
        cursor.execute(
            SAVE_BILL,
            {
                "account": account.user_id,
                "dates": [day.day_date for day in days],
                "byte_seconds": [day.byte_seconds for day in days],
                "credits": [day.credits for day in days],
                "day_paid": [day.paid_credits for day in days],
                "billed_at": [day.billed_at for day in days],
                **{field: getattr(account, field) for field in SAVED_FIELDS},
            },
        )
