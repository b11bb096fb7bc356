"""The bucket: one client for R2 and for its stand-in.

    from media.storage import get_r2_client

    r2 = get_r2_client()
    url = r2.upload_file(file_path="image.png", key="generations/…/image_001.png", content_type="image/png")

Every file is addressed by its key. Nothing here may be called inside a transaction of ours.
"""

from media.storage.client import PresignedUpload, R2Client, StoredFile, check_ready, get_r2_client
from media.storage.errors import (
    ExpiryInvalid,
    FileMissing,
    KeyInvalid,
    StorageNotConfigured,
    StorageRefused,
    StorageUnavailable,
)

__all__ = [
    "ExpiryInvalid",
    "FileMissing",
    "KeyInvalid",
    "PresignedUpload",
    "R2Client",
    "StorageNotConfigured",
    "StorageRefused",
    "StorageUnavailable",
    "StoredFile",
    "check_ready",
    "get_r2_client",
]
