"""The one lock of an account's files, and the meter that runs while they lie in the bucket.

Locks are taken in this order: the storage account, then (by a charge) the account of credits. Nothing here calls the
bucket, so that nobody waits for a network while holding a lock.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F

from media import metering
from media.models import Asset, AssetCount, StorageAccount
from media.selectors import ASSETS_PER_BLOCK

# The ORM cannot say “add to what is there, or begin”.
ADD_BYTE_SECONDS = """
    INSERT INTO media_storageday AS d (user_id, day_date, byte_seconds, paid_credits) VALUES (%s, %s, %s, 0)
    ON CONFLICT (user_id, day_date) DO UPDATE SET byte_seconds = d.byte_seconds + excluded.byte_seconds
"""
ADD_TO_COUNT = """
    INSERT INTO media_assetcount AS c (user_id, kind, block, assets) VALUES (%s, %s, %s, 1)
    ON CONFLICT (user_id, kind, block) DO UPDATE SET assets = c.assets + 1
"""


def open_account(*, user_id: UUID, now: datetime) -> None:
    """This will make sure that the user has a storage account."""
    StorageAccount.objects.bulk_create([StorageAccount(user_id=user_id, metered_at=now)], ignore_conflicts=True)


def lock_account(*, user_id: UUID) -> StorageAccount:
    """This will lock an account until the caller's transaction ends: whoever changes its assets or bills has it first.

    :raises StorageAccount.DoesNotExist: the user has never announced a file.
    """
    return StorageAccount.objects.select_for_update().get(pk=user_id)


def meter(account: StorageAccount, *, until: datetime) -> None:
    """This will add what the account has occupied since it was last metered to its days. The caller saves it."""
    if until <= account.metered_at:
        return
    if account.stored_bytes:
        with connection.cursor() as cursor:
            for day, seconds in metering.split_by_day(account.metered_at, until):
                occupied = metering.occupied(account.stored_bytes, seconds)
                cursor.execute(ADD_BYTE_SECONDS, [account.user_id, day, occupied])
    account.metered_at = until


def store(account: StorageAccount, asset: Asset, *, now: datetime) -> None:
    """This will begin to charge for an asset that lies in the bucket. The account is locked."""
    meter(account, until=now)
    account.stored_bytes += asset.size_bytes
    account.save(update_fields=["stored_bytes", "metered_at"])
    asset.status, asset.stored_at = Asset.Status.STORED, now
    asset.save(update_fields=["status", "stored_at"])
    with connection.cursor() as cursor:
        cursor.execute(ADD_TO_COUNT, [asset.user_id, asset.kind, asset.number // ASSETS_PER_BLOCK])


def end(account: StorageAccount, assets: Sequence[Asset], *, status: str, now: datetime) -> None:
    """This will end assets, stored or announced, and stop charging for them; they stay in the quota until they are
    cleaned. The account is locked."""
    meter(account, until=now)
    stored = [asset for asset in assets if asset.status == Asset.Status.STORED]
    account.stored_bytes -= sum(asset.size_bytes for asset in stored)
    counts = Counter((asset.kind, asset.number // ASSETS_PER_BLOCK) for asset in stored)
    for (kind, block), count in counts.items():
        in_block = AssetCount.objects.filter(user_id=account.user_id, kind=kind, block=block)
        in_block.update(assets=F("assets") - count)
    account.save(update_fields=["stored_bytes", "metered_at"])
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(status=status, ended_at=now)


def clean(account: StorageAccount, assets: Sequence[Asset], *, now: datetime) -> None:
    """This will take ended assets out of the quota: the bucket is clean of them for good. The account is locked.

    What their owner called them is forgotten."""
    for asset in assets:
        account.used_bytes -= asset.size_bytes
    account.save(update_fields=["used_bytes"])
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(cleaned_at=now, filename="")
