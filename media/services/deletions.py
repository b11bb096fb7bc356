"""How assets end: deleted by their owner, given up as unfinished, and swept from the bucket for good."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from media import selectors
from media.models import Asset, StorageAccount
from media.services import accounts
from media.storage import StorageRefused, get_r2_client
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

BATCH = 500
LATE_GRACE = timedelta(hours=1)  # a large file may still be on its way when its upload URL has expired
ENDED_KEPT = timedelta(days=30)  # what is known of an asset that is gone

IsDue = Callable[[StorageAccount], bool]  # asked of an account that is locked, before each batch of its files


class UnknownAsset(DomainError):
    """There is no such file, or it is somebody else's, or it is gone."""

    code, status, title = "unknown_asset", 404, "Unknown file"

    def __init__(self, detail: str = "There is no such file.") -> None:
        super().__init__(detail)


@dataclass
class Swept:
    """What a sweep did: uploads given up, assets gone for good, and those that the bucket would not let go. Accounts
    that `failed` are tried again by the next."""

    expired: int = 0
    cleaned: int = 0
    kept: int = 0
    failed: set[UUID] = field(default_factory=set)


def delete_asset(*, asset_id: str, user_id: UUID, now: datetime) -> None:
    """This will delete a file: it is charged no more, and gone from the bucket. Deleting it again changes nothing.

    It leaves the quota at once when its upload URL can no longer bring it back, else with the first sweep after that.

    :raises UnknownAsset: the user has no such file.
    :raises storage.StorageUnavailable: it is deleted here; the bucket will follow by itself.
    """
    asset = selectors.find_asset(asset_id=asset_id, user_id=user_id)
    if asset is None:
        raise UnknownAsset
    if asset.ended_at is None:
        with transaction.atomic():
            account = accounts.lock_account(user_id=user_id)
            asset.refresh_from_db()
            if asset.ended_at is None:
                accounts.end(account, [asset], status=Asset.Status.DELETED, now=now)
    if asset.cleaned_at is None:
        get_r2_client().delete_file(asset.key)
        if not may_come_back(asset, now=now):
            clean_up(user_id, find_gone([asset]), now=now)


def delete_all_assets(*, user_id: UUID, now: datetime) -> int:
    """This will delete every file of a user and return how many there were. What the bucket does not let go at once,
    sweeps will take.

    :raises storage.StorageUnavailable: they are deleted here; the bucket will follow by itself.
    """
    return delete_batches(user_id=user_id, now=now)


def delete_batches(*, user_id: UUID, now: datetime, is_due: IsDue = lambda account: True) -> int:
    """This will delete files of a user, as long as there are any and it `is_due`, and return how many.

    :raises storage.StorageUnavailable: some are deleted here, and the bucket will follow; call again for the others.
    """
    count = 0
    while batch := end_batch(user_id=user_id, now=now, is_due=is_due):
        get_r2_client().delete_files(asset.key for asset in batch)
        clean_up(user_id, find_gone(asset for asset in batch if not may_come_back(asset, now=now)), now=now)
        count += len(batch)
    return count


def forget_files(*, user_id: UUID, now: datetime) -> None:
    """This will delete every file of a user who is to be forgotten, and what it was called; any number of times.

    :raises storage.StorageUnavailable: see `delete_all_assets`.
    """
    with transaction.atomic():
        # What is being announced just now is waited for; without an account nothing is, and nothing will be.
        StorageAccount.objects.select_for_update().filter(pk=user_id).first()
        Asset.objects.filter(user_id=user_id).update(filename="", reference_id="")
    delete_all_assets(user_id=user_id, now=now)


def end_batch(*, user_id: UUID, now: datetime, is_due: IsDue) -> list[Asset]:
    """This will end up to BATCH assets of a user, if it `is_due`, and return them."""
    with transaction.atomic():
        account = StorageAccount.objects.select_for_update().filter(pk=user_id).first()
        if account is None or not is_due(account):
            return []
        batch = list(Asset.objects.filter(user_id=user_id, ended_at=None).order_by("number")[:BATCH])
        if batch:
            accounts.end(account, batch, status=Asset.Status.DELETED, now=now)
        return batch


def may_come_back(asset: Asset, *, now: datetime) -> bool:
    """Tell whether the file may be sent again, or arrive only now, by the asset's upload URL."""
    return asset.upload_expires_at > now - LATE_GRACE


# --- Sweeping -----------------------------------------------------------------------------------------------------


def sweep(*, now: datetime, at_once: int = BATCH) -> Swept:
    """This will give up uploads that were never finished, and take assets that ended out of bucket and quota, so many
    `at_once`. Each is tried once, so that neither a file that the bucket keeps nor an account that fails is in the way.

    :raises storage.StorageUnavailable: the bucket cannot be reached; the next sweep goes on.
    """
    swept, over = Swept(), now - LATE_GRACE
    for unfinished in selectors.iterate_unfinished_uploads(expired_before=over, at_once=at_once):
        swept.expired += act_on_each_user(unfinished, give_up, now=now, failed=swept.failed)
    for ended in selectors.iterate_assets_to_clean(expired_before=over, at_once=at_once):
        gone = find_gone(delete_from_bucket(ended))
        swept.kept += len(ended) - len(gone)
        swept.cleaned += act_on_each_user(gone, clean_up, now=now, failed=swept.failed)
    Asset.objects.filter(cleaned_at__lte=now - ENDED_KEPT).delete()
    return swept


def act_on_each_user(assets: Iterable[Asset], act: Callable[..., int], *, now: datetime, failed: set[UUID]) -> int:
    """This will let each user's assets be acted on, and return how many were. Where it fails, the log says why, the
    user is added to `failed`, and the next one follows."""
    of_users: dict[UUID, list[Asset]] = defaultdict(list)
    for asset in assets:
        of_users[asset.user_id].append(asset)
    count = 0
    for user_id, of_user in of_users.items():
        try:
            count += act(user_id, of_user, now=now)
        except Exception:
            if not connection.is_usable():  # it is not this account
                raise
            log.exception("Files of an account not swept", user_id=str(user_id))
            failed.add(user_id)
    return count


def delete_from_bucket(assets: list[Asset]) -> list[Asset]:
    """This will delete files, and return those that the bucket did not refuse to delete."""
    try:
        get_r2_client().delete_files(asset.key for asset in assets)
    except StorageRefused as error:
        kept = set(error.context.get("keys", [asset.key for asset in assets]))
        return [asset for asset in assets if asset.key not in kept]
    return assets


def find_gone(assets: Iterable[Asset]) -> list[Asset]:
    """Return the assets whose files are gone from the bucket."""
    bucket = get_r2_client()
    return [asset for asset in assets if not bucket.file_exists(asset.key)]


def give_up(user_id: UUID, assets: list[Asset], *, now: datetime) -> int:
    """This will end those of a user's uploads that are still unfinished, and return how many."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=user_id)
        still = list(Asset.objects.filter(pk__in=[asset.pk for asset in assets], status=Asset.Status.UPLOADING))
        accounts.end(account, still, status=Asset.Status.EXPIRED, now=now)
        return len(still)


def clean_up(user_id: UUID, gone: list[Asset], *, now: datetime) -> int:
    """This will take a user's ended assets, whose files are gone and cannot come back, out of the quota, and return how
    many that were not yet."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=user_id)
        still = list(Asset.objects.filter(pk__in=[asset.pk for asset in gone], cleaned_at=None))
        accounts.clean(account, still, now=now)
        return len(still)
