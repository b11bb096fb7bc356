"""The comparison of the bucket with the table, both ways, and what puts them right.

Both are walked along in the order of their keys, so memory stays the same however many there are. Files come and go
meanwhile: each difference is looked at again, alone, before it is one.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Floor

from media import selectors
from media.models import Asset, AssetCount, StorageAccount, StorageDay
from media.selectors import ASSETS_PER_BLOCK, KeyedAsset, StorageSums
from media.services import accounts
from media.storage import FileMissing, R2Client, StorageUnavailable, StoredFile, get_r2_client
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.watching import services as watching_services

log = get_logger(__name__)

PREFIX = "generations/"
UUID_FORM = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OUR_KEY = re.compile(rf"{PREFIX}{UUID_FORM}/{UUID_FORM}\.[a-z0-9]+")

MISSING = "missing_object"
ORPHAN = "orphan_object"
SIZE = "wrong_size"
COUNTERS = "wrong_counters"
FINAL = (MISSING, ORPHAN)  # an asset that has ended, and a file that was deleted, do not come back
PROOF = "media_reconciled"

Pair = tuple[StoredFile | None, KeyedAsset | None]
Repair = Callable[[], None]


class NothingInCommon(DomainError):
    """Not one file of the bucket belongs to an asset: one of them is another product's, or has lost everything."""

    code, status, title = "nothing_in_common", 409, "Bucket and table have nothing in common"


@dataclass(frozen=True)
class Difference:
    """Something in which bucket and table, or counters and table, do not agree."""

    kind: str
    object_id: str
    user_id: UUID | None
    detail: str


@dataclass
class Comparison:
    """How far the comparison is: what was looked at, what was put right, and what still differs. `foreign` files have
    keys that this product does not make; they are nobody's difference and never touched."""

    objects: int = 0
    assets: int = 0
    foreign: int = 0
    repaired: int = 0
    remaining: int = 0


class Findings:
    """What was found, each told when it is known whether it is put right.

    With a limit, whatever is FINAL waits until all are counted: of more than so many of a kind none is put right. They
    are a sign that one of the two sides has lost something, and which one is for a person to see.
    """

    def __init__(
        self,
        progress: Comparison,
        *,
        is_repair: bool,
        limit: int | None,
        on_difference: Callable[[Difference, bool], None] | None,
    ) -> None:
        self.progress, self.is_repair, self.limit, self.on_difference = progress, is_repair, limit, on_difference
        self.counts: dict[str, int] = defaultdict(int)
        self.waiting: dict[str, list[tuple[Difference, Repair]]] = defaultdict(list)  # no more than the limit

    def add(self, difference: Difference, repair: Repair) -> None:
        """This will put a difference right, leave it, or let it wait until all are counted."""
        kind = difference.kind
        if self.limit is None or kind not in FINAL:
            self.settle(difference, repair, is_repaired=self.is_repair)
            return
        self.counts[kind] += 1
        self.waiting[kind].append((difference, repair))
        if self.counts[kind] > self.limit:
            self.settle_waiting(kind, is_repaired=False)

    def settle_waiting(self, kind: str, *, is_repaired: bool) -> None:
        """This will put right what waits, or leave it."""
        for difference, repair in self.waiting.pop(kind, []):
            self.settle(difference, repair, is_repaired=is_repaired)

    def settle(self, difference: Difference, repair: Repair, *, is_repaired: bool) -> None:
        """This will put one difference right, or leave it, and tell of it."""
        is_repaired = is_repaired and put_right(difference, repair)
        self.progress.repaired += is_repaired
        self.progress.remaining += not is_repaired
        log.warning("Media differ", is_repaired=is_repaired, kind=difference.kind, object_id=difference.object_id)
        if self.on_difference is not None:
            self.on_difference(difference, is_repaired)


def put_right(difference: Difference, repair: Repair) -> bool:
    """This will put a difference right, and tell whether it could. One that cannot be keeps no other waiting.

    :raises storage.StorageUnavailable: the bucket cannot be reached, so none of them can.
    """
    try:
        repair()
    except StorageUnavailable:
        raise
    except Exception:
        if not connection.is_usable():  # it is not this difference
            raise
        log.exception("Media not put right", kind=difference.kind, object_id=difference.object_id)
        return False
    return True


def reconcile_media(
    *,
    now: datetime,
    is_repair: bool = False,
    is_all_lost: bool = False,
    limit: int | None = None,
    on_difference: Callable[[Difference, bool], None] | None = None,
    on_progress: Callable[[Comparison], None] | None = None,
) -> Comparison:
    """This will compare every file of the bucket with every asset, and every account's counters with its assets. What
    it found is kept for operators to see.

    With `is_repair`, an asset whose file is missing ends, a file without an asset is deleted, and sizes and counters
    become what is really there; what cannot be put right is logged, and remains. With a `limit`, no asset ends when
    more than so many files are missing, and no file is deleted when more than so many belong to nobody. `is_all_lost`
    says that an empty bucket is the right one.

    :raises NothingInCommon: a repair would end every asset, or delete every file.
    :raises storage.StorageUnavailable: the bucket cannot be read.
    """
    progress = Comparison()
    bucket = get_r2_client()
    if is_repair:
        try:
            require_common(bucket, is_all_lost=is_all_lost)
        except NothingInCommon as error:
            watching_services.record_proof(name=PROOF, holds=False, detail=error.detail, now=now)
            raise
    findings = Findings(progress, is_repair=is_repair, limit=limit, on_difference=on_difference)
    for sums in selectors.iterate_storage_sums():  # first: whatever is put right reckons from the counters
        if sums.counted != sums.summed:
            compare_counters(sums, now=now, found=findings.add)
    for file, asset in walk(bucket, progress):
        compare(bucket, file, asset, now=now, found=findings.add)
        if on_progress is not None:
            on_progress(progress)
    for kind in FINAL:
        findings.settle_waiting(kind, is_repaired=is_repair)
    detail = (
        f"{progress.objects} files and {progress.assets} assets compared: {progress.repaired} differences put right,"
        f" {progress.remaining} remain"
    )
    watching_services.record_proof(name=PROOF, holds=not progress.remaining, detail=detail, now=now)
    return progress


def require_common(bucket: R2Client, *, is_all_lost: bool) -> None:
    """This will let a bucket pass that holds the file of any asset; one without need not, where nothing is stored.

    :raises NothingInCommon: see `reconcile_media`.
    """
    files = stored = 0
    for file, asset in walk(bucket, Comparison()):
        if file is not None and asset is not None:
            return  # as a rule within the first page
        files += file is not None
        stored += asset is not None and asset.is_stored
    if files or (stored and not is_all_lost):
        raise NothingInCommon(
            f"The bucket {bucket.bucket} holds the file of no asset: there are {stored} stored assets, and {files}"
            " files that belong to none. Nothing was put right. Is it the right bucket, and the right database?",
            bucket=bucket.bucket,
            files=files,
            assets=stored,
        )


def walk(bucket: R2Client, progress: Comparison) -> Iterator[Pair]:
    """Yield files and assets side by side in the order of their keys; what has no partner comes alone."""
    files, assets = our_files(bucket, progress), selectors.iterate_assets_by_key()
    file, asset = next(files, None), next(assets, None)
    while file is not None or asset is not None:
        if asset is None or (file is not None and file.key < asset.key):
            yield file, None
            file = next(files, None)
        elif file is None or asset.key < file.key:
            yield None, asset
            progress.assets += 1
            asset = next(assets, None)
        else:
            yield file, asset
            progress.assets += 1
            file, asset = next(files, None), next(assets, None)


def our_files(bucket: R2Client, progress: Comparison) -> Iterator[StoredFile]:
    """Yield the files whose keys this product makes, and count them and the others."""
    for file in bucket.list_files(PREFIX):
        if OUR_KEY.fullmatch(file.key):
            progress.objects += 1
            yield file
        else:
            progress.foreign += 1


def compare(
    bucket: R2Client,
    file: StoredFile | None,
    asset: KeyedAsset | None,
    *,
    now: datetime,
    found: Callable[[Difference, Repair], None],
) -> None:
    """Look at one pair; what seems to differ is read again, from both sides, before it counts."""
    if file is not None and (asset is None or asset.is_cleaned):
        current = Asset.objects.filter(key=file.key).first()
        if (current is None or current.cleaned_at is not None) and bucket.file_exists(file.key):
            found(
                Difference(ORPHAN, file.key, None, f"{file.size_bytes} bytes belong to no asset"),
                lambda: bucket.delete_file(file.key),
            )
    elif asset is not None and asset.is_stored and (file is None or file.size_bytes != asset.size_bytes):
        seen = look(bucket, asset.key)
        current = Asset.objects.filter(pk=asset.id, status=Asset.Status.STORED).first()
        if current is not None and seen is None:
            found(
                Difference(MISSING, str(asset.id), asset.user_id, f"nothing lies under {asset.key}"),
                lambda: end_missing(current, now=now),
            )
        elif current is not None and seen is not None and seen.size_bytes != current.size_bytes:
            size_bytes = seen.size_bytes
            found(
                Difference(
                    SIZE,
                    str(asset.id),
                    asset.user_id,
                    f"{size_bytes} bytes lie under {asset.key}, not {current.size_bytes}",
                ),
                lambda: correct_size(current, size_bytes, now=now),
            )


def look(bucket: R2Client, key: str) -> StoredFile | None:
    """Return what lies under a key, or None. An empty file is nothing: no asset is."""
    try:
        found = bucket.get_file_info(key)
    except FileMissing:
        return None
    return found if found.size_bytes else None


def compare_counters(sums: StorageSums, *, now: datetime, found: Callable[[Difference, Repair], None]) -> None:
    """Look at an account's counters again, under its lock."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=sums.user_id)
        counted, summed = count(account), add_up(account)
    if counted != summed:
        found(
            Difference(
                COUNTERS,
                str(sums.user_id),
                sums.user_id,
                f"used bytes, stored bytes and assets are counted as {counted} and add up to {summed}",
            ),
            lambda: correct_counters(user_id=sums.user_id, now=now),
        )


# --- Putting right ------------------------------------------------------------------------------------------------


def end_missing(asset: Asset, *, now: datetime) -> None:
    """This will end an asset whose file is gone: it is listed and charged no more."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=asset.user_id)
        asset.refresh_from_db()
        if asset.status == Asset.Status.STORED:
            accounts.end(account, [asset], status=Asset.Status.DELETED, now=now)


def correct_size(asset: Asset, size_bytes: int, *, now: datetime) -> None:
    """This will take over the size that a file really has; it is charged by that from now on."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=asset.user_id)
        asset.refresh_from_db()
        if asset.status != Asset.Status.STORED:
            return
        grown_bytes = size_bytes - asset.size_bytes
        accounts.occupy(account, stored_bytes=grown_bytes, used_bytes=grown_bytes, now=now)
        asset.size_bytes = size_bytes
        asset.save(update_fields=["size_bytes"])


def correct_counters(*, user_id: UUID, now: datetime) -> None:
    """This will count an account's assets anew."""
    with transaction.atomic():
        account = accounts.lock_account(user_id=user_id)
        StorageDay.objects.bulk_create(accounts.meter(account, until=now))
        account.used_bytes, account.stored_bytes, _ = add_up(account)
        account.save()
        AssetCount.objects.filter(user_id=user_id).delete()
        blocks = (
            Asset.objects.filter(user_id=user_id, status=Asset.Status.STORED)
            .annotate(block=Floor(F("number") / ASSETS_PER_BLOCK))
            .values("kind", "block")
            .annotate(assets=Count("pk"))
        )
        AssetCount.objects.bulk_create(AssetCount(user_id=user_id, **block) for block in blocks)


def count(account: StorageAccount) -> tuple[int, int, int]:
    """Return used bytes, stored bytes and stored assets as they are counted."""
    assets = AssetCount.objects.filter(user_id=account.user_id).aggregate(total=Sum("assets"))["total"]
    return account.used_bytes, account.stored_bytes, assets or 0


def add_up(account: StorageAccount) -> tuple[int, int, int]:
    """Return used bytes, stored bytes and stored assets as the assets add up to them."""
    assets = Asset.objects.filter(user_id=account.user_id)
    stored = assets.filter(status=Asset.Status.STORED).aggregate(total=Sum("size_bytes"), assets=Count("pk"))
    used = assets.filter(cleaned_at=None).aggregate(total=Sum("size_bytes"))
    return used["total"] or 0, stored["total"] or 0, stored["assets"]
