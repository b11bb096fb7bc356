"""From a request to its answer: who is asking, what for, and is it allowed from there."""

import secrets
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.http import UnreadablePostError

from media.sandbox import buckets, cors, listing, multipart, objects, signing, sweeping
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request
from media.sandbox.store import open_store
from smartspec.logs import get_logger

log = get_logger(__name__)

Operation = Callable[[Request, str, datetime], Answer]
KEY_MAX_BYTES = 1024  # https://developers.cloudflare.com/r2/platform/limits/

# What a query parameter makes of a request. "" is the request without any of them.
SUBRESOURCES = ("uploads", "uploadId", "delete", "list-type")
NOT_IMPLEMENTED = (
    *("accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory"),
    *(
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
    ),
    *("policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select"),
    *("tagging", "torrent", "versioning", "versionId", "versions", "website"),
)
HEADERS_NOT_IMPLEMENTED = ("x-amz-acl", "x-amz-copy-source", "x-amz-tagging", "x-amz-website-redirect-location")
BUCKET_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("HEAD", ""): buckets.head_bucket,
    ("PUT", ""): buckets.create_bucket,
    ("GET", ""): listing.list_objects,
    ("GET", "list-type"): listing.list_objects_v2,
    ("GET", "uploads"): multipart.list_multipart_uploads,
    ("POST", "delete"): buckets.delete_objects,
}
OBJECT_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", ""): objects.get_object,
    ("HEAD", ""): objects.head_object,
    ("PUT", ""): objects.put_object,
    ("DELETE", ""): objects.delete_object,
    ("POST", "uploads"): multipart.create_multipart_upload,
    ("PUT", "uploadId"): multipart.upload_part,
    ("POST", "uploadId"): multipart.complete_multipart_upload,
    ("DELETE", "uploadId"): multipart.abort_multipart_upload,
    ("GET", "uploadId"): multipart.list_parts,
}


def answer(request: Request, now: datetime) -> Answer:
    """Return the answer to one request; what is refused is an answer too."""
    request_id = secrets.token_hex(8).upper()
    try:
        answered = cors.preflight(request) if request.method == "OPTIONS" else perform(request, now)
    except S3Error as error:
        answered = refuse(request, error, request_id)
    except UnreadablePostError:  # the client has gone in the middle of its body
        answered = refuse(request, S3Error("IncompleteBody"), request_id)
    if request.method == "HEAD":
        answered.body = ()
    answered.headers |= {"x-amz-request-id": request_id, "Server": "SmartSpec R2 stand-in"}
    answered.headers |= cors.headers(request)
    return answered


def refuse(request: Request, error: S3Error, request_id: str) -> Answer:
    log.info("R2 stand-in refused", method=request.method, path=request.path, code=error.code)
    return error.answer(request.path, request_id)


def perform(request: Request, now: datetime) -> Answer:
    """Check the signature and do what is asked.

    :raises S3Error: it is refused.
    """
    require_possible_key(request.key)
    payload_hash = signing.verify(request, now)
    sweeping.sweep_daily(open_store(), now)
    sweeping.abort_ended_uploads(open_store(), now)
    return find_operation(request)(request, payload_hash, now)


def find_operation(request: Request) -> Operation:
    names = {name for name, _ in request.query}
    if unknown := names & set(NOT_IMPLEMENTED):
        raise S3Error("NotImplemented", f"The subresource {min(unknown)!r} is not implemented.")
    if unknown := set(request.headers) & set(HEADERS_NOT_IMPLEMENTED):
        raise S3Error("NotImplemented", f"The header {min(unknown)!r} is not implemented.")
    if not request.bucket:
        raise S3Error("NotImplemented")
    if request.bucket != settings.CLOUDFLARE_R2_BUCKET_NAME:
        raise S3Error("NoSuchBucket", BucketName=request.bucket)
    subresource = next((name for name in SUBRESOURCES if name in names), "")
    operations = OBJECT_OPERATIONS if request.key else BUCKET_OPERATIONS
    operation = operations.get((request.method, subresource))
    if operation is None:
        raise S3Error("MethodNotAllowed", Method=request.method)
    return operation


def require_possible_key(key: str) -> None:
    """Refuse a key that no URL can carry as it is, or that reads like a way out of the bucket."""
    if len(key.encode(errors="replace")) > KEY_MAX_BYTES:
        raise S3Error("KeyTooLongError", MaxSizeAllowed=str(KEY_MAX_BYTES))
    if {".", ".."} & set(key.replace("\\", "/").split("/")) or "\x00" in key or "\ufffd" in key:
        raise S3Error("InvalidURI")
