"""The client of the bucket."""

import mimetypes
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.conf import settings

from media.storage.errors import (
    ExpiryInvalid,
    FileMissing,
    KeyInvalid,
    StorageNotConfigured,
    StorageRefused,
    StorageUnavailable,
)
from smartspec.logs import get_logger

if TYPE_CHECKING:
    from media.storage.boto import R2Storage

log = get_logger(__name__)

KEY_MAX_BYTES = 1024
URL_MAX_SECONDS = 7 * 86_400
DELETE_BATCH = 1000
PAGE_SIZE = 1000
DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class StoredFile:
    """What really lies in the bucket. A listing does not know the content type and leaves it empty."""

    key: str
    size_bytes: int
    content_type: str
    etag: str
    modified_at: datetime


@dataclass(frozen=True)
class PresignedUpload:
    """How to upload one file straight to the bucket: exactly these headers, or the signature does not match."""

    method: str
    url: str
    headers: dict[str, str]


# --- The client ---------------------------------------------------------------------------------------------------


def get_r2_client(*, is_impatient: bool = False) -> "R2Client":
    """Return this process's client of the bucket; it may be used by many threads.

    :param is_impatient: give up after seconds, at the first failure, instead of trying again.
    :raises StorageNotConfigured: a variable of the bucket is not set.
    """
    bucket = (
        settings.CLOUDFLARE_R2_ENDPOINT,
        settings.CLOUDFLARE_R2_BUCKET_NAME,
        settings.CLOUDFLARE_R2_ACCESS_KEY_ID,
        settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY,
    )
    if not all(bucket):
        raise StorageNotConfigured("Files cannot be stored on this server yet. Please try again later.")
    return build_client(*bucket, settings.CLOUDFLARE_R2_PUBLIC_URL, is_impatient=is_impatient)


@lru_cache(maxsize=8)
def build_client(
    endpoint: str, bucket: str, access_key: str, secret_key: str, public_url: str, *, is_impatient: bool = False
) -> "R2Client":
    from media.storage import boto

    storage = boto.R2Storage(
        endpoint_url=endpoint,
        bucket_name=bucket,
        access_key=access_key,
        secret_key=secret_key,
        client_config=boto.client_config(is_impatient=is_impatient),
    )
    return R2Client(storage, public_url)


def check_ready() -> None:
    """Ask for the bucket once, without patience.

    :raises StorageNotConfigured, StorageUnavailable, StorageRefused: it cannot be used.
    """
    get_r2_client(is_impatient=True).check()


class R2Client:
    """The files of one bucket.

    Every method raises StorageUnavailable when the bucket cannot be reached (after retries), StorageNotConfigured
    when it does not accept our key, StorageRefused when it refuses the request, and KeyInvalid for an impossible key.
    """

    def __init__(self, storage: "R2Storage", public_url: str = "") -> None:
        self.bucket = storage.bucket_name
        self.public_url = public_url
        self._s3 = storage.connection.meta.client  # unlike the storage's resources, safe for threads
        self._transfer = storage.transfer_config

    # --- Writing ----------------------------------------------------------------------------------------------

    def upload_file(self, *, file_path: str | Path, key: str, content_type: str = "") -> str:
        """Upload a file from this machine, of any size, and return its URL.

        :param content_type: guessed from the key when empty.
        :raises OSError: the file cannot be read.
        """
        extra = {"ContentType": content_type or guess_content_type(key)}
        with in_our_words(require_key(key)):
            self._s3.upload_file(str(file_path), self.bucket, key, ExtraArgs=extra, Config=self._transfer)
        return self.url(key)

    def delete_file(self, key: str) -> None:
        """Delete the file. That it is not there, or no longer, is fine."""
        with in_our_words(require_key(key)):
            answer = self._s3.delete_object(Bucket=self.bucket, Key=key)
        require_answer(answer["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NO_CONTENT, key)

    def delete_files(self, keys: Iterable[str]) -> None:
        """Delete many files, a thousand at a call.

        :raises StorageRefused: some could not be deleted; `keys` in its context names them.
        """
        remaining = iter(keys)
        while objects := [{"Key": require_key(key)} for key in islice(remaining, DELETE_BATCH)]:
            with in_our_words():
                answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                log.error("Files could not be deleted", count=len(errors), first=errors[0])
                raise StorageRefused("Some files could not be deleted.", keys=[error["Key"] for error in errors])

    # --- Reading ----------------------------------------------------------------------------------------------

    def file_exists(self, key: str) -> bool:
        """Tell whether a file lies under the key."""
        try:
            self.get_file_info(key)
        except FileMissing:
            return False
        return True

    def get_file_info(self, key: str) -> StoredFile:
        """Return what lies under the key.

        :raises FileMissing: nothing does.
        """
        with in_our_words(require_key(key)):
            head = self._s3.head_object(Bucket=self.bucket, Key=key)
        require_answer("ETag" in head and "LastModified" in head, key)
        return StoredFile(
            key=key,
            size_bytes=head["ContentLength"],
            content_type=head.get("ContentType", ""),
            etag=head["ETag"].strip('"'),
            modified_at=head["LastModified"],
        )

    def list_files(self, prefix: str = "", *, after: str = "") -> Iterator[StoredFile]:
        """Yield the files whose key begins with `prefix` and comes after `after`, in the order of their keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after, PaginationConfig={"PageSize": PAGE_SIZE}
        )
        remaining = iter(pages)
        while True:
            with in_our_words():  # not around what is done with the files
                page = next(remaining, None)
            if page is None:
                return
            for found in page.get("Contents", []):
                yield StoredFile(
                    key=found["Key"],
                    size_bytes=found["Size"],
                    content_type="",
                    etag=found["ETag"].strip('"'),
                    modified_at=found["LastModified"],
                )

    def check(self) -> None:
        """Ask whether the bucket is there and lets us in."""
        with in_our_words():
            self._s3.head_bucket(Bucket=self.bucket)

    # --- URLs -------------------------------------------------------------------------------------------------

    def url(self, key: str) -> str:
        """Return the file's public URL if the bucket has a public domain, else one presigned for an hour."""
        if self.public_url:
            return f"{self.public_url}/{quote(require_key(key))}"
        return self.generate_presigned_url(key=key)

    def generate_presigned_url(
        self, *, key: str, expires_in: int = 3600, content_type: str = "", content_disposition: str = ""
    ) -> str:
        """Return a URL that lets whoever holds it read the file for `expires_in` seconds.

        :param content_type: what the file is served as, instead of what it was uploaded as.
        :param content_disposition: `attachment; filename="…"` makes a browser download it.
        :raises ExpiryInvalid: not between 1 second and 7 days.
        """
        params = {"Bucket": self.bucket, "Key": require_key(key)}
        if content_type:
            params["ResponseContentType"] = content_type
        if content_disposition:
            params["ResponseContentDisposition"] = content_disposition
        return self._sign("get_object", params, expires_in)

    def generate_presigned_upload(
        self, *, key: str, content_type: str, size_bytes: int, expires_in: int = 900, only_once: bool = False
    ) -> PresignedUpload:
        """Return how to PUT a file of exactly this type and size; both are bound into the signature.

        :param only_once: refuse the upload when a file already lies under the key.
        :raises ExpiryInvalid: not between 1 second and 7 days.
        """
        params: dict[str, Any] = {"Bucket": self.bucket, "Key": require_key(key)}
        params |= {"ContentType": content_type, "ContentLength": size_bytes}
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        if only_once:
            params["IfNoneMatch"] = headers["If-None-Match"] = "*"
        return PresignedUpload(method="PUT", url=self._sign("put_object", params, expires_in), headers=headers)

    def _sign(self, operation: str, params: dict[str, Any], expires_in: int) -> str:
        if not 1 <= expires_in <= URL_MAX_SECONDS:
            raise ExpiryInvalid(f"A presigned URL lives for 1 to {URL_MAX_SECONDS} seconds, not {expires_in}.")
        url: str = self._s3.generate_presigned_url(operation, Params=params, ExpiresIn=expires_in)
        return url


# --- Keys, types, errors ------------------------------------------------------------------------------------------


def require_answer(is_buckets: bool, key: str) -> None:
    """:raises StorageUnavailable: somebody answered, but not the bucket: a proxy, a portal of a network."""
    if not is_buckets:
        log.error("Storage is unavailable", error="the answer is no bucket's", key=key)
        raise StorageUnavailable("The file storage cannot be reached. Please try again in a minute.")


def require_key(key: str) -> str:
    """Return the key.

    :raises KeyInvalid: empty, longer than 1,024 bytes, with control characters, or with a segment such as `..`.
    """
    segments = key.split("/")
    if not key or len(key.encode()) > KEY_MAX_BYTES or re.search(r"[\x00-\x1f\x7f]", key):
        raise KeyInvalid("A key has 1 to 1,024 bytes and no control characters.")
    if {"", ".", ".."} & set(segments):
        raise KeyInvalid("A key's segments are neither empty nor . or ..")
    return key


def guess_content_type(name: str) -> str:
    """Return the content type that belongs to the name's extension."""
    return mimetypes.guess_type(name)[0] or DEFAULT_CONTENT_TYPE


def in_our_words(key: str = "") -> AbstractContextManager[None]:
    """Wait for the bucket inside of this: in turn, and what boto3 raises is translated."""
    from media.storage import boto

    return boto.in_our_words(key)
