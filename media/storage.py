"""The only module that touches boto3 and django-storages: one client for R2 and for its stand-in.

    from media.storage import get_r2_client

    r2 = get_r2_client()
    url = r2.upload_file(file_path="image.png", key="generations/…/image_001.png", content_type="image/png")

Everything is addressed by its key. No function here may be called inside a transaction of ours.
"""

import mimetypes
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import boto3.exceptions
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.module_loading import import_string
from storages.backends.s3 import S3Storage

from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

MEBIBYTE = 1024 * 1024
KEY_MAX_BYTES = 1024
URL_MAX_SECONDS = 7 * 86_400
DELETE_BATCH = 1000
PAGE_SIZE = 1000
DEFAULT_CONTENT_TYPE = "application/octet-stream"
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30


class StorageUnavailable(DomainError):
    """The bucket could not be reached, or failed. Trying again later may succeed."""

    code = "storage_unavailable"
    status = 502
    title = "Storage unavailable"


class StorageNotConfigured(DomainError):
    """This server has no bucket, or the bucket does not accept its key."""

    code = "storage_not_configured"
    status = 503
    title = "Storage is not configured"


class StorageRefused(DomainError):
    """The bucket understood the request and does not do it: our mistake."""

    code = "storage_refused"
    status = 502
    title = "Refused by the storage"


class FileMissing(DomainError):
    """No file lies under this key."""

    code = "file_missing"
    status = 404
    title = "File not found"


class KeyInvalid(DomainError):
    """This text cannot be the key of a file."""

    code = "key_invalid"
    status = 422
    title = "Invalid key"


class ExpiryInvalid(DomainError):
    """A presigned URL lives for 1 second to 7 days."""

    code = "expiry_invalid"
    status = 422
    title = "Invalid expiry"


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


# --- The bucket ---------------------------------------------------------------------------------------------------


class R2Storage(S3Storage):
    """django-storages' S3 backend, set up for R2: region auto, SigV4, path style, checksums when required, no ACLs."""

    def get_default_settings(self) -> dict[str, Any]:
        return super().get_default_settings() | {
            "access_key": settings.CLOUDFLARE_R2_ACCESS_KEY_ID,
            "secret_key": settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY,
            "security_token": None,
            "session_profile": None,
            "bucket_name": settings.CLOUDFLARE_R2_BUCKET_NAME,
            "endpoint_url": settings.CLOUDFLARE_R2_ENDPOINT,
            "region_name": "auto",
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": False,
            "client_config": Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                # R2 does not know every checksum that newer versions of boto3 send unasked.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "max_attempts": 4},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                max_pool_connections=32,
            ),
            "transfer_config": transfer_config(),
        }

    def _create_session(self) -> Any:
        session = super()._create_session()
        session.events.register("before-send.s3", send_to_stand_in)
        return session


def transfer_config() -> TransferConfig:
    """Return how large files travel: in parts of 16 MiB, a few at a time; memory does not grow with the file."""
    config = TransferConfig(multipart_threshold=16 * MEBIBYTE, multipart_chunksize=16 * MEBIBYTE, max_concurrency=4)
    config.max_in_memory_upload_chunks = 4  # of a stream that cannot be read twice
    return config


def send_to_stand_in(request: Any, **kwargs: Any) -> AWSResponse | None:
    """Answer a request for the stand-in inside this process; None lets botocore send it over the network.

    A server that called itself over HTTP could wait for itself.
    """
    if not settings.R2_SANDBOX_TRANSPORT or not request.url.startswith(settings.CLOUDFLARE_R2_ENDPOINT):
        return None
    status, headers, body = import_string(settings.R2_SANDBOX_TRANSPORT)(
        method=request.method, url=request.url, headers=dict(request.headers.items()), body=request.body
    )
    return AWSResponse(request.url, status, headers, body)


# --- The client ---------------------------------------------------------------------------------------------------


def get_r2_client() -> "R2Client":
    """Return this process's client of the bucket; it may be used by many threads.

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
    return build_client(*bucket, settings.CLOUDFLARE_R2_PUBLIC_URL)


@lru_cache(maxsize=4)
def build_client(endpoint: str, bucket: str, access_key: str, secret_key: str, public_url: str) -> "R2Client":
    storage = R2Storage(endpoint_url=endpoint, bucket_name=bucket, access_key=access_key, secret_key=secret_key)
    return R2Client(storage, public_url)


def check_ready() -> None:
    """Ask for the bucket once, as `/readyz` does.

    :raises StorageNotConfigured, StorageUnavailable, StorageRefused: it cannot be used.
    """
    get_r2_client().check()


class R2Client:
    """The files of one bucket.

    Every method raises StorageUnavailable when the bucket cannot be reached (after retries), StorageNotConfigured
    when it does not accept our key, StorageRefused when it refuses the request, and KeyInvalid for an impossible key.
    """

    def __init__(self, storage: S3Storage, public_url: str = "") -> None:
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

    def upload_fileobj(self, *, fileobj: IO[bytes], key: str, content_type: str = "") -> str:
        """Upload what a binary file or stream still holds, in constant memory, and return its URL."""
        extra = {"ContentType": content_type or guess_content_type(key)}
        with in_our_words(require_key(key)):
            self._s3.upload_fileobj(fileobj, self.bucket, key, ExtraArgs=extra, Config=self._transfer)
        return self.url(key)

    def delete_file(self, key: str) -> None:
        """Delete the file. That it is not there, or no longer, is fine."""
        with in_our_words(require_key(key)):
            self._s3.delete_object(Bucket=self.bucket, Key=key)

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
        return StoredFile(
            key=key,
            size_bytes=head["ContentLength"],
            content_type=head.get("ContentType", ""),
            etag=head["ETag"].strip('"'),
            modified_at=head["LastModified"],
        )

    def read_bytes(self, key: str, *, start: int = 0, size_bytes: int) -> bytes:
        """Return up to `size_bytes` of the file from `start` on.

        :raises FileMissing: nothing lies under the key.
        :raises StorageRefused: the file ends before `start`.
        """
        byte_range = f"bytes={start}-{start + size_bytes - 1}"
        with in_our_words(require_key(key)):
            content: bytes = self._s3.get_object(Bucket=self.bucket, Key=key, Range=byte_range)["Body"].read()
        return content

    def list_files(self, prefix: str = "", *, after: str = "") -> Iterator[StoredFile]:
        """Yield the files whose key begins with `prefix` and comes after `after`, in the order of their keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after, PaginationConfig={"PageSize": PAGE_SIZE}
        )
        with in_our_words():
            for page in pages:
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


@contextmanager
def in_our_words(key: str = "") -> Iterator[None]:
    """Translate what boto3 raises."""
    try:
        yield
    except ClientError as error:
        raise translated(error, key) from error
    except boto3.exceptions.S3UploadFailedError as error:
        raise translated(error.__context__, key) from error
    except BotoCoreError as error:
        raise translated(error, key) from error


def translated(error: BaseException | None, key: str) -> DomainError:
    """Return the refusal that an error of boto3 means, and write down what a person has to look at."""
    if not isinstance(error, ClientError):
        log.warning("Storage is unavailable", error=type(error).__name__, key=key)
        return StorageUnavailable("The file storage cannot be reached. Please try again in a minute.")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("NoSuchKey", "404") and key:
        return FileMissing("There is no such file.", key=key)
    log.error("Storage refused a request", code=code, status=status, operation=error.operation_name, key=key)
    if status >= 500 or status == 429 or code == "SlowDown":
        return StorageUnavailable("The file storage is busy. Please try again in a minute.")
    if status in (401, 403) or code in ("NoSuchBucket", "404"):
        return StorageNotConfigured("Files cannot be stored on this server: its bucket does not accept it.")
    return StorageRefused("The file storage refused this request. Please try again, or contact support.", code=code)
