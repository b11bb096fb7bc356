"""What files occupy and may occupy, and which accounts are to be billed or owe something."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from credits import selectors as credits_selectors
from media import metering
from media.models import Asset, AssetCount, StorageAccount, StorageDay, StorageEvent
from smartspec.paging import in_pages

BYTES_PER_MB = 10**6
CHUNK = 1000
ZERO = Decimal(0)
OPERATION = "storage"


@dataclass(frozen=True)
class StorageUsage:
    """What a user's files occupy. `used_bytes` is what counts in the quota: also uploads that have been announced, and
    what was deleted while its upload URL could still bring it back."""

    used_bytes: int
    quota_bytes: int
    objects: int
    stored_bytes: int
    estimated_monthly_credits: Decimal
    arrears_credits: Decimal
    unpaid_since: datetime | None
    step: str


def get_quota_bytes(*, user_id: UUID, now: datetime) -> int:
    """Return what the user's plan lets them store."""
    plan = credits_selectors.get_plan_state(account_id=user_id, now=now).plan
    return credits_selectors.get_plan(plan).max_storage_mb * BYTES_PER_MB


def storage_rate(*, at: datetime) -> Decimal:
    """Return what a GB-month costs by the rate in effect at a moment; nothing, before there was one."""
    rate = credits_selectors.rate_at(operation=OPERATION, at=at)
    return ZERO if rate is None else rate.base_credits


def get_usage(*, user_id: UUID, now: datetime) -> StorageUsage:
    """Return what a user's files occupy; zeros for whoever has never stored any."""
    account = StorageAccount.objects.filter(pk=user_id).first() or StorageAccount(user_id=user_id)
    return StorageUsage(
        used_bytes=account.used_bytes,
        quota_bytes=get_quota_bytes(user_id=user_id, now=now),
        objects=count_assets(user_id=user_id),
        stored_bytes=account.stored_bytes,
        estimated_monthly_credits=metering.monthly_credits(
            stored_bytes=account.stored_bytes, rate=storage_rate(at=now)
        ),
        arrears_credits=account.arrears_credits,
        unpaid_since=account.unpaid_since,
        step=account.step,
    )


def count_assets(*, user_id: UUID) -> int:
    """Return how many files a user has stored."""
    total: int | None = AssetCount.objects.filter(user_id=user_id).aggregate(total=Sum("assets"))["total"]
    return total or 0


def list_storage_events(*, user_id: UUID, until: datetime, limit: int) -> list[StorageEvent]:
    """Return the steps of a user's ladder until a moment, newest first."""
    events = StorageEvent.objects.filter(user_id=user_id, happened_at__lte=until)
    return list(events.order_by("-happened_at", "-pk")[:limit])


def iterate_accounts_to_bill(*, until: date) -> Iterator[StorageAccount]:
    """Yield the accounts that have days before `until` to bill, in ascending order and constant memory: days on record,
    and such as end when the account is metered."""
    on_record = StorageDay.objects.filter(user_id=OuterRef("pk"), billed_at=None, day_date__lt=until)
    occupied = Q(stored_bytes__gt=0) | Q(day_byte_seconds__gt=0)
    to_meter = occupied & Q(metered_at__lt=metering.start_of(until))
    accounts = StorageAccount.objects.filter(to_meter | Exists(on_record), billed_until__lt=until).order_by("pk")
    last: UUID | None = None
    while True:
        rest = accounts if last is None else accounts.filter(pk__gt=last)
        found = list(rest[:CHUNK])
        yield from found
        if len(found) < CHUNK:
            return
        last = found[-1].pk


@dataclass(frozen=True)
class StorageSums:
    """What is counted of an account, and what its assets add up to."""

    user_id: UUID
    counted: tuple[int, int, int]
    summed: tuple[int, int, int]


def iterate_storage_sums() -> Iterator[StorageSums]:
    """Yield, of every account, its used bytes, stored bytes and stored assets: as counted, and as its assets add up."""
    last: UUID | None = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT a.account_id, a.used_bytes, a.stored_bytes,
                       (SELECT coalesce(sum(c.assets), 0) FROM media_assetcount c WHERE c.user_id = a.account_id),
                       coalesce(sum(x.size_bytes) FILTER (WHERE x.cleaned_at IS NULL), 0),
                       coalesce(sum(x.size_bytes) FILTER (WHERE x.status = 'stored'), 0),
                       count(*) FILTER (WHERE x.status = 'stored')
                  FROM (SELECT * FROM media_storageaccount b
                         WHERE %(last)s::uuid IS NULL OR b.account_id > %(last)s
                         ORDER BY b.account_id LIMIT %(chunk)s) a
                  LEFT JOIN media_asset x ON x.user_id = a.account_id
                 GROUP BY a.account_id, a.used_bytes, a.stored_bytes ORDER BY a.account_id
                """,
                {"last": last, "chunk": CHUNK},
            )
            rows = cursor.fetchall()
        for user_id, *numbers in rows:
            counts = [int(number) for number in numbers]
            yield StorageSums(user_id, (counts[0], counts[1], counts[2]), (counts[3], counts[4], counts[5]))
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]


def iterate_unpaid_accounts(*, unpaid_before: datetime | None = None, with_credits: bool = False) -> Iterator[UUID]:
    """Yield the accounts in arrears, those that waited longest first; with `with_credits`, such as could pay now."""
    accounts = StorageAccount.objects.filter(unpaid_since__isnull=False)
    if unpaid_before is not None:
        accounts = accounts.filter(unpaid_since__lte=unpaid_before)
    ids = _longest_unpaid_first(accounts)
    while chunk := list(islice(ids, CHUNK)):
        yield from credits_selectors.list_with_credits(account_ids=chunk) if with_credits else chunk


def iterate_accounts_to_empty() -> Iterator[UUID]:
    """Yield the accounts at the end of the ladder that still have files, or announced some."""
    left = Asset.objects.filter(user_id=OuterRef("pk"), ended_at=None)
    accounts = StorageAccount.objects.filter(step=StorageAccount.Step.FILES_DELETED, unpaid_since__isnull=False)
    yield from _longest_unpaid_first(accounts.filter(Exists(left)))


def _longest_unpaid_first(accounts: QuerySet[StorageAccount]) -> Iterator[UUID]:
    rows = accounts.order_by("unpaid_since", "pk").values_list("unpaid_since", "pk", named=True)
    return (row.pk for row in in_pages(rows))


def count_unpaid_accounts() -> int:
    """Return how many accounts are in arrears."""
    return StorageAccount.objects.filter(unpaid_since__isnull=False).count()


def sum_unpaid_credits() -> Decimal:
    """Return what all accounts in arrears owe together, in credits."""
    unpaid = StorageAccount.objects.filter(unpaid_since__isnull=False)
    owed = unpaid.aggregate(owed=Sum(F("billed_credits") - F("paid_credits")))["owed"]
    return owed or ZERO
