"""The one lock of an account's files, and the meter that runs while they lie in the bucket.

Locks are taken in this order: the storage account, then (by a charge) the account of credits. Nothing here calls the
bucket, so that nobody waits for a network while holding a lock.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.db.models import F

from media import metering
from media.models import Asset, AssetCount, StorageAccount, StorageDay
from media.selectors import ASSETS_PER_BLOCK

# The ORM cannot say “add to what is there, or begin”.
ADD_TO_COUNT = """
    INSERT INTO media_assetcount AS c (user_id, kind, block, assets) VALUES (%s, %s, %s, 1)
    ON CONFLICT (user_id, kind, block) DO UPDATE SET assets = c.assets + 1
"""


def open_account(*, user_id: UUID, now: datetime) -> None:
    """This will make sure that the user has a storage account."""
    today = now.astimezone(UTC).date()
    account = StorageAccount(user_id=user_id, metered_at=now, billed_until=today)
    StorageAccount.objects.bulk_create([account], ignore_conflicts=True)


def lock_account(*, user_id: UUID) -> StorageAccount:
    """This will lock an account until the caller's transaction ends: whoever changes its assets or bills has it first.

    :raises StorageAccount.DoesNotExist: the user has never announced a file.
    """
    # Composed once: a night's bills lock a hundred thousand accounts, and composing costs more than locking.
    columns = [str(field.column) for field in StorageAccount._meta.concrete_fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM media_storageaccount WHERE account_id = %s FOR UPDATE",  # noqa: S608
            [user_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise StorageAccount.DoesNotExist(user_id)
    fields = [field.attname for field in StorageAccount._meta.concrete_fields]
    return StorageAccount.from_db(connection.alias, fields, row)


def meter(account: StorageAccount, *, until: datetime) -> list[StorageDay]:
    """This will count what the account has occupied since it was last metered, and return the days that have ended
    meanwhile. The caller saves them and the account."""
    if until <= account.metered_at:
        return []
    ended, account.day_byte_seconds = metering.accrue(
        stored_bytes=account.stored_bytes,
        byte_seconds=account.day_byte_seconds,
        start=account.metered_at,
        end=until,
    )
    account.metered_at = until
    return [StorageDay(user_id=account.user_id, day_date=day, byte_seconds=occupied) for day, occupied in ended]


def occupy(account: StorageAccount, *, stored_bytes: int, now: datetime, used_bytes: int = 0) -> None:
    """This will let the account occupy so much more, or less, from now on. The account is locked."""
    StorageDay.objects.bulk_create(meter(account, until=now))
    account.stored_bytes += stored_bytes
    account.used_bytes += used_bytes
    account.save(update_fields=["stored_bytes", "used_bytes", "metered_at", "day_byte_seconds"])


def store(account: StorageAccount, asset: Asset, *, now: datetime) -> None:
    """This will begin to charge for an asset that lies in the bucket. The account is locked."""
    occupy(account, stored_bytes=asset.size_bytes, now=now)
    asset.status, asset.stored_at = Asset.Status.STORED, now
    asset.save(update_fields=["status", "stored_at"])
    with connection.cursor() as cursor:
        cursor.execute(ADD_TO_COUNT, [asset.user_id, asset.kind, asset.number // ASSETS_PER_BLOCK])


def end(account: StorageAccount, assets: Sequence[Asset], *, status: str, now: datetime) -> None:
    """This will end assets, stored or announced, and stop charging for them; they stay in the quota until they are
    cleaned. The account is locked."""
    stop_charging(account, [asset for asset in assets if asset.status == Asset.Status.STORED], now=now)
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(status=status, ended_at=now)


def take_back(account: StorageAccount, asset: Asset, *, now: datetime) -> None:
    """This will make a stored asset an announced one again: its file is gone and may be sent again. The account is
    locked."""
    stop_charging(account, [asset], now=now)
    asset.status, asset.stored_at = Asset.Status.UPLOADING, None
    asset.save(update_fields=["status", "stored_at"])


def stop_charging(account: StorageAccount, stored: Sequence[Asset], *, now: datetime) -> None:
    """This will charge for stored assets no more. The account is locked; the caller says what becomes of them."""
    occupy(account, stored_bytes=-sum(asset.size_bytes for asset in stored), now=now)
    counts = Counter((asset.kind, asset.number // ASSETS_PER_BLOCK) for asset in stored)
    for (kind, block), count in counts.items():
        in_block = AssetCount.objects.filter(user_id=account.user_id, kind=kind, block=block)
        in_block.update(assets=F("assets") - count)


def clean(account: StorageAccount, assets: Sequence[Asset], *, now: datetime) -> None:
    """This will take ended assets out of the quota: the bucket is clean of them for good. The account is locked.

    What their owner called them is forgotten."""
    for asset in assets:
        account.used_bytes -= asset.size_bytes
    account.save(update_fields=["used_bytes"])
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(cleaned_at=now, filename="")
