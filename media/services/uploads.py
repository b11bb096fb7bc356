"""An upload: announced and signed, sent straight to the bucket, and looked at there."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from media import kinds, selectors
from media.models import Asset
from media.services import accounts, arrears
from media.services.deletions import UnknownAsset
from media.storage import FileMissing, R2Client, StoredFile, get_r2_client
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.templatetags.amounts import credits_text
from smartspec.users.models import User

log = get_logger(__name__)

UPLOAD_URL_SECONDS = 900
MOST_FILES = 1_000_000  # of one user: the largest quota in files of 50 kB
LARGEST_UPLOAD_BYTES = 5 * 10**9  # what one PUT may carry


class TypeNotAllowed(DomainError):
    """Files of this type are not stored, or not under this kind."""

    code, status, title = "type_not_allowed", 422, "This type of file cannot be stored"


class FileTooLarge(DomainError):
    """The file is larger than one upload may be."""

    code, status, title = "file_too_large", 413, "The file is too large"


class QuotaExceeded(DomainError):
    """The plan's storage has no room for the file."""

    code, status, title = "quota_exceeded", 422, "Your storage is full"


class TooManyFiles(DomainError):
    """The user has as many files as anybody may have, however small they are."""

    code, status, title = "too_many_files", 422, "Too many files"


class UploadsStopped(DomainError):
    """Storage has been unpaid for a week."""

    code, status, title = "uploads_stopped", 403, "Storage is unpaid"


class UnknownUser(DomainError):
    """There is no such user, or it is somebody else."""

    code, status, title = "unknown_user", 404, "Unknown user"


class UploadMissing(DomainError):
    """Nothing has arrived in the bucket."""

    code, status, title = "upload_missing", 409, "The file has not arrived"


class UploadMismatch(DomainError):
    """What arrived is not what was announced."""

    code, status, title = "upload_mismatch", 422, "Another file than announced"


@dataclass(frozen=True)
class Upload:
    """An announced asset, and how its file is to be sent: exactly so, or the bucket refuses it."""

    asset: Asset
    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


def create_upload(
    *,
    user_id: UUID,
    filename: str,
    content_type: str,
    size_bytes: int,
    kind: str,
    now: datetime,
    reference_id: str = "",
) -> Upload:
    """This will announce a file and sign its upload. Its size counts in the quota from now on.

    :raises TypeNotAllowed: the kind does not admit the type.
    :raises FileTooLarge: more than LARGEST_UPLOAD_BYTES.
    :raises UnknownUser: there is no such user.
    :raises UploadsStopped: storage has been unpaid for a week.
    :raises QuotaExceeded: the plan's storage has no room for it.
    :raises TooManyFiles: the user has MOST_FILES.
    :raises storage.StorageNotConfigured: there is no bucket.
    """
    extension = kinds.extension(kind, content_type)
    if extension is None:
        allowed = sorted(kinds.EXTENSIONS[kinds.Kind(kind)])
        raise TypeNotAllowed(
            f"Files of kind {kind} must be one of: {', '.join(allowed)}.", content_type=content_type, allowed=allowed
        )
    if size_bytes > LARGEST_UPLOAD_BYTES:
        raise FileTooLarge(
            f"A file may have {LARGEST_UPLOAD_BYTES} bytes at most.", size_bytes=size_bytes, max=LARGEST_UPLOAD_BYTES
        )
    bucket = get_r2_client()
    require_active(user_id=user_id)

    asset_id = uuid.uuid4()
    asset = Asset(
        id=asset_id,
        user_id=user_id,
        kind=kind,
        content_type=content_type,
        filename=filename,
        key=f"generations/{user_id}/{asset_id}.{extension}",
        size_bytes=size_bytes,
        reference_id=reference_id,
        created_at=now,
        upload_expires_at=now + timedelta(seconds=UPLOAD_URL_SECONDS),
    )
    # Signed before anything that may wait for a lock, so that the URL lives no longer than the asset says.
    signed = bucket.generate_presigned_upload(
        key=asset.key,
        content_type=content_type,
        size_bytes=size_bytes,
        expires_in=UPLOAD_URL_SECONDS,
        only_once=True,  # so that what `complete` has looked at is not replaced afterwards
    )
    require_paid(user_id=user_id, now=now)
    announce(asset, quota_bytes=selectors.get_quota_bytes(user_id=user_id, now=now), now=now)
    return Upload(asset, signed.method, signed.url, signed.headers, asset.upload_expires_at)


def require_active(*, user_id: UUID) -> None:
    """This will let users pass who are here, and have not asked to be forgotten.

    :raises UnknownUser: there is no such user.
    """
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise UnknownUser("There is no such user.")


def require_paid(*, user_id: UUID, now: datetime) -> None:
    """This will let users pass whose storage is paid, after a last attempt to collect what is owed.

    :raises UploadsStopped: it has been unpaid for a week.
    """
    if not arrears.uploads_are_stopped(user_id=user_id, now=now):
        return
    arrears.collect_from(user_id=user_id, now=now)
    if arrears.uploads_are_stopped(user_id=user_id, now=now):
        owed = selectors.get_usage(user_id=user_id, now=now).arrears_credits
        raise UploadsStopped(
            f"Your storage is unpaid: {credits_text(owed)} credits are owed. Buy credits to upload again.",
            arrears_credits=owed,
        )


def announce(asset: Asset, *, quota_bytes: int, now: datetime) -> None:
    """This will number an asset and put it into the quota. Of two that only one fits, the second is refused.

    :raises UnknownUser: they have just asked to be forgotten.
    :raises QuotaExceeded: there is no room for it.
    :raises TooManyFiles: there are too many.
    """
    accounts.open_account(user_id=asset.user_id, now=now)
    with transaction.atomic():
        account = accounts.lock_account(user_id=asset.user_id)
        require_active(user_id=asset.user_id)  # again: an erasure has had the account before us, or waits for it
        if account.used_bytes + asset.size_bytes > quota_bytes:
            raise QuotaExceeded(
                f"This file needs {asset.size_bytes} bytes, and {max(quota_bytes - account.used_bytes, 0)} of your"
                f" {quota_bytes} are free. Delete files or choose a larger plan.",
                size_bytes=asset.size_bytes,
                used_bytes=account.used_bytes,
                quota_bytes=quota_bytes,
            )
        if selectors.count_assets(user_id=asset.user_id) >= MOST_FILES:
            raise TooManyFiles(f"You have {MOST_FILES} files. Delete some to store others.", most_files=MOST_FILES)
        account.used_bytes += asset.size_bytes
        account.asset_count += 1
        account.save(update_fields=["used_bytes", "asset_count"])
        asset.number = account.asset_count
        asset.save(force_insert=True)


def complete_upload(*, asset_id: str, now: datetime, user_id: UUID | None = None) -> Asset:
    """This will look at what lies in the bucket and make it a stored asset, charged from now on. Again is the same.

    A file that differs from what was announced is deleted; it can be sent again while the upload URL lives.

    :raises UnknownAsset: there is no such asset, it is not this user's, or it has ended.
    :raises UploadMissing: nothing has arrived.
    :raises UploadMismatch: what has arrived differs in size or type.
    :raises storage.StorageUnavailable: the bucket cannot be asked.
    """
    asset = selectors.find_asset(asset_id=asset_id, user_id=user_id)
    if asset is None or asset.ended_at is not None:
        raise UnknownAsset
    if asset.status == Asset.Status.STORED:
        return asset
    require_announced(asset, now=now)  # may take the bucket a while, so before the lock
    with transaction.atomic():
        account = accounts.lock_account(user_id=asset.user_id)
        asset.refresh_from_db()
        if asset.ended_at is not None:
            raise UnknownAsset
        if asset.status == Asset.Status.UPLOADING:
            accounts.store(account, asset, now=max(now, asset.created_at))
    return asset


def require_announced(asset: Asset, *, now: datetime) -> None:
    """This will let a file pass that has the announced size and type, and delete any other.

    :raises UploadMissing, UploadMismatch: see `complete_upload`.
    """
    bucket = get_r2_client()
    if is_announced(asset, find_upload(asset, bucket)):
        return
    # Looked at again at the last moment: another caller may have deleted it, and the right one be here or stored.
    if not Asset.objects.filter(pk=asset.pk, status=Asset.Status.UPLOADING).exists():
        return  # the caller sees what has become of it
    found = find_upload(asset, bucket)
    if is_announced(asset, found):
        return
    bucket.delete_file(asset.key)
    take_back_if_gone(asset, bucket, now=now)
    log.warning("Upload differs", asset_id=str(asset.pk), size_bytes=found.size_bytes, content_type=found.content_type)
    raise UploadMismatch(
        f"Announced were {asset.size_bytes} bytes of {asset.content_type}; {found.size_bytes} of"
        f" {found.content_type or 'no type'} have arrived. They were deleted; please upload again.",
        size_bytes=found.size_bytes,
        content_type=found.content_type,
    )


def take_back_if_gone(asset: Asset, bucket: R2Client, *, now: datetime) -> None:
    """This will take back that an asset was stored, if it was between our last look and our deletion of its file."""
    if not Asset.objects.filter(pk=asset.pk, status=Asset.Status.STORED).exists() or bucket.file_exists(asset.key):
        return
    with transaction.atomic():
        account = accounts.lock_account(user_id=asset.user_id)
        asset.refresh_from_db()
        if asset.status == Asset.Status.STORED:
            accounts.take_back(account, asset, now=now)


def find_upload(asset: Asset, bucket: R2Client) -> StoredFile:
    """Return what has arrived in the bucket.

    :raises UploadMissing: nothing has.
    """
    try:
        return bucket.get_file_info(asset.key)
    except FileMissing as error:
        raise UploadMissing("The file has not arrived. Send it to the upload URL first.") from error


def is_announced(asset: Asset, found: StoredFile) -> bool:
    """Tell whether a file is what was announced, as far as the bucket knows."""
    return (found.size_bytes, found.content_type) == (asset.size_bytes, asset.content_type)
