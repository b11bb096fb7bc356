"""One object: PUT, GET, HEAD, DELETE.

The limits are R2's: https://developers.cloudflare.com/r2/platform/limits/
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from django.utils.http import http_date, parse_etags, parse_http_date_safe

from media.sandbox.digests import expected_digests
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request
from media.sandbox.store import StoredObject, open_store, require_precondition

# In one piece, as R2's page of limits says it: 5 MiB less than 5 GiB. Larger objects come in parts.
OBJECT_MAX_BYTES = 5 * 1024**3 - 5 * 1024**2
KEPT_HEADERS = (
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "cache-control",
    "expires",
)
METADATA_PREFIX = "x-amz-meta-"
METADATA_MAX_BYTES = 8192
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
READ_ATTEMPTS = 5


# --- Writing ------------------------------------------------------------------------------------------------------


def put_object(request: Request, payload_hash: str, now: datetime) -> Answer:
    store = open_store()
    only_new, only_etag = precondition(request)
    require_precondition(store.find(request.key), only_new=only_new, only_etag=only_etag)  # before the bytes travel
    headers = kept_headers(request)
    received = store.receive(request.body, content_length(request), expected_digests(request, payload_hash))
    try:
        store.put(
            request.key,
            etag=received.md5,
            headers=headers,
            files=[(received.file, received.size_bytes)],
            now=now,
            only_new=only_new,
            only_etag=only_etag,
        )
    except S3Error:
        store.discard([received.file])
        raise
    return Answer(headers={"ETag": f'"{received.md5}"'})


def delete_object(request: Request, payload_hash: str, now: datetime) -> Answer:
    open_store().delete([request.key])
    return Answer(status=204)


def content_length(request: Request) -> int:
    """Return how long the body says it is.

    :raises S3Error: it does not say, or more than one object may hold.
    """
    text = request.headers.get("content-length", "")
    if not text or "chunked" in request.headers.get("transfer-encoding", ""):
        raise S3Error("MissingContentLength")
    if not text.isascii() or not text.isdigit():
        raise S3Error("InvalidArgument", "Content-Length must be a whole number.")
    if int(text) > OBJECT_MAX_BYTES:
        raise S3Error("EntityTooLarge", MaxSizeAllowed=str(OBJECT_MAX_BYTES), ProposedSize=text)
    return int(text)


def kept_headers(request: Request) -> dict[str, str]:
    """Return what is told again with the object: its type and the like, and the metadata of whoever stored it."""
    metadata = {name: value for name, value in request.headers.items() if name.startswith(METADATA_PREFIX)}
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA_MAX_BYTES:
        raise S3Error("InvalidArgument", "Your metadata headers exceed the maximum allowed metadata size.")
    return {name: request.headers[name] for name in KEPT_HEADERS if request.headers.get(name)} | metadata


def precondition(request: Request) -> tuple[bool, str]:
    """Return (only when nothing lies there, only when this entity tag does)."""
    if_none_match, if_match = request.headers.get("if-none-match", ""), request.headers.get("if-match", "")
    if if_none_match not in ("", "*"):
        raise S3Error("NotImplemented", "A write takes If-None-Match: * only.")
    return bool(if_none_match), if_match.strip('"')


# --- Reading ------------------------------------------------------------------------------------------------------


def get_object(request: Request, payload_hash: str, now: datetime) -> Answer:
    for _ in range(READ_ATTEMPTS):
        found = require_object(request)
        answer, start, size_bytes = describe(request, found)
        if answer.status not in (200, 206) or not size_bytes:
            return answer
        content = open_store().read(found, start, size_bytes)
        try:
            answer.body = primed(content)
        except FileNotFoundError:
            continue  # replaced or deleted in this very moment: look again
        return answer
    raise S3Error("NoSuchKey", Key=request.key)


def primed(content: Iterator[bytes]) -> Iterator[bytes]:
    """Open the first file now, while an error can still be told."""
    return chain([next(content)], content)


def head_object(request: Request, payload_hash: str, now: datetime) -> Answer:
    answer, _, _ = describe(request, require_object(request))
    return answer


def require_object(request: Request) -> StoredObject:
    found = open_store().find(request.key)
    if not found:
        raise S3Error("NoSuchKey", Key=request.key)
    return found


def describe(request: Request, found: StoredObject) -> tuple[Answer, int, int]:
    """Return the answer without its body, and which bytes of the object the body is: (start, size)."""
    etag = f'"{found.etag}"'
    headers = {"ETag": etag, "Last-Modified": http_date(found.modified_at.timestamp())}
    if is_unchanged(request, found):
        return Answer(status=304, headers=headers), 0, 0
    headers |= {"Accept-Ranges": "bytes", "Content-Type": DEFAULT_CONTENT_TYPE}
    headers |= {name.title(): value for name, value in found.headers.items() if not name.startswith(METADATA_PREFIX)}
    headers |= {name: value for name, value in found.headers.items() if name.startswith(METADATA_PREFIX)}
    headers |= overrides(request)
    start, size_bytes, status = 0, found.size_bytes, 200
    if wanted := requested_range(request, found):
        (start, end), status = wanted, 206
        size_bytes = end - start + 1
        headers["Content-Range"] = f"bytes {start}-{end}/{found.size_bytes}"
    headers["Content-Length"] = str(size_bytes)
    return Answer(status=status, headers=headers), start, size_bytes


def overrides(request: Request) -> dict[str, str]:
    """Return the headers that the signer wants instead of the object's own: `response-content-type` and the like.

    :raises S3Error: InvalidArgument, when a value would end its header and begin another.
    """
    found = {name.removeprefix("response-"): value for name, value in request.query if name.startswith("response-")}
    if any(ord(character) < ord(" ") or character == "\x7f" for value in found.values() for character in value):
        raise S3Error("InvalidArgument", "A header's value has no control characters.")
    return {name.title(): value for name, value in found.items() if name in KEPT_HEADERS}


def is_unchanged(request: Request, found: StoredObject) -> bool:
    """Tell whether the reader already has it (RFC 9110, 13.2.2).

    :raises S3Error: PreconditionFailed, when the reader wants another one.
    """
    etag, modified_at = f'"{found.etag}"', int(found.modified_at.timestamp())

    def matches(name: str) -> bool:
        return bool({etag, "*"} & {tag.removeprefix("W/") for tag in parse_etags(request.headers[name])})

    def since(name: str) -> int | None:
        return parse_http_date_safe(request.headers.get(name, ""))

    if "if-match" in request.headers:
        if not matches("if-match"):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    elif (unmodified_since := since("if-unmodified-since")) is not None and modified_at > unmodified_since:
        raise S3Error("PreconditionFailed", Condition="If-Unmodified-Since")
    if "if-none-match" in request.headers:
        return matches("if-none-match")
    modified_since = since("if-modified-since")
    return modified_since is not None and modified_at <= modified_since


def requested_range(request: Request, found: StoredObject) -> tuple[int, int] | None:
    """Return the first and last byte that are wanted; None for all: no range, several, or one that makes no sense.

    :raises S3Error: InvalidRange, when the object has no such bytes.
    """
    validators = (f'"{found.etag}"', http_date(found.modified_at.timestamp()))
    if "if-range" in request.headers and request.headers["if-range"] not in validators:
        return None
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", request.headers.get("range", "").strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(found.size_bytes - int(last), 0)
    end = min(int(last) if first and last else found.size_bytes - 1, found.size_bytes - 1)
    if start >= found.size_bytes or (not first and int(last) == 0):
        raise S3Error("InvalidRange", ActualObjectSize=str(found.size_bytes))
    return start, end
