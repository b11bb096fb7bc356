"""The only module that touches boto3 and django-storages: how they are set up for R2, and what their errors mean.

Imported when the bucket is first used: it takes as long to load as all the rest of the product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3.exceptions
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.module_loading import import_string
from storages.backends.s3 import S3Storage

from media.storage.errors import FileMissing, StorageNotConfigured, StorageRefused, StorageUnavailable
from smartspec.bulkheads import Bulkhead, NoTurn
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

MEBIBYTE = 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 5
# For whoever would rather hear at once that nobody answers.
IMPATIENT = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})

_bulkhead = Bulkhead(settings.R2_CALLS_AT_ONCE)


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
            "client_config": client_config(),
            "transfer_config": transfer_config(),
        }

    def _create_session(self) -> Any:
        session = super()._create_session()
        session.events.register("before-send.s3", send_to_stand_in)
        return session


def client_config(*, is_impatient: bool = False) -> Config:
    """Return how the bucket is spoken to, and how long it is waited for."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        # R2 does not know every checksum that newer versions of boto3 send unasked.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": settings.R2_ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=settings.R2_TIMEOUT_SECONDS,
        max_pool_connections=32,
    )
    return config.merge(IMPATIENT) if is_impatient else config


def transfer_config() -> TransferConfig:
    """Return how large files travel: in parts of 16 MiB, a few at a time; memory does not grow with the file."""
    return TransferConfig(multipart_threshold=16 * MEBIBYTE, multipart_chunksize=16 * MEBIBYTE, max_concurrency=4)


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


@contextmanager
def in_our_words(key: str = "") -> Iterator[None]:
    """Wait for the bucket inside of this: in turn, and what boto3 raises is translated."""
    try:
        with _bulkhead.turn():
            yield
    except NoTurn as error:
        raise translated(error, key) from error
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
