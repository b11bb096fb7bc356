"""The keys of the bucket, page by page: ListObjectsV2, and the first version that older programs use."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree

from media.sandbox.documents import add, whole_number, xml_answer, xml_time
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request
from media.sandbox.store import StoredObject, open_store

PAGE_MAX = 1000


@dataclass
class Page:
    """Objects and common prefixes together make up to `limit` lines; `last` is where the next page goes on after."""

    objects: list[StoredObject]
    prefixes: list[str]
    last: bytes
    is_truncated: bool


def list_objects_v2(request: Request, payload_hash: str, now: datetime) -> Answer:
    parameters = request.parameters
    if parameters["list-type"] != "2":
        raise S3Error("InvalidArgument", "list-type must be 2.")
    token, start_after = parameters.get("continuation-token"), parameters.get("start-after", "")
    page = find_page(parameters, after=decode_token(token) if token is not None else start_after.encode())
    root = describe("ListBucketResult", request, page)
    add(root, "KeyCount", str(len(page.objects) + len(page.prefixes)))
    if token is not None:
        add(root, "ContinuationToken", token)
    if start_after:
        add(root, "StartAfter", encoded(start_after, parameters))
    if page.is_truncated:
        add(root, "NextContinuationToken", base64.urlsafe_b64encode(page.last).decode())
    return xml_answer(root)


def list_objects(request: Request, payload_hash: str, now: datetime) -> Answer:
    parameters = request.parameters
    marker = parameters.get("marker", "")
    page = find_page(parameters, after=marker.encode())
    root = describe("ListBucketResult", request, page)
    add(root, "Marker", encoded(marker, parameters))
    if page.is_truncated and parameters.get("delimiter"):
        add(root, "NextMarker", encoded(page.last.decode(), parameters))
    return xml_answer(root)


def decode_token(token: str) -> bytes:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


# --- Finding ------------------------------------------------------------------------------------------------------


def find_page(parameters: dict[str, str], after: bytes) -> Page:
    """Walk the keys after `after` and stop when the page is full; what a common prefix stands for is jumped over."""
    limit = page_limit(parameters)
    prefix, delimiter = parameters.get("prefix", "").encode(), parameters.get("delimiter", "").encode()
    page = Page(objects=[], prefixes=[], last=after, is_truncated=False)
    if not limit:
        return page
    for line in lines(prefix, delimiter, after, limit):
        if len(page.objects) + len(page.prefixes) == limit:
            page.is_truncated = True
            return page
        if isinstance(line, StoredObject):
            page.objects.append(line)
            page.last = line.key.encode()
        else:
            page.prefixes.append(line.decode())
            page.last = line
    return page


def lines(prefix: bytes, delimiter: bytes, after: bytes, limit: int) -> Iterator[StoredObject | bytes]:
    """Yield objects, and common prefixes as bytes, in order."""
    store = open_store()
    end = successor(prefix)
    start = max(prefix, after + b"\x00") if after else prefix
    if delimiter and after.startswith(prefix) and delimiter in after[len(prefix) :]:
        start = max(start, past(common_prefix(after, prefix, delimiter)))
    while True:
        batch = store.page(start, end, limit + 1)
        for found in batch:
            key = found.key.encode()
            if key < start:
                continue  # stands behind a common prefix that was told already
            if delimiter and delimiter in key[len(prefix) :]:
                shared = common_prefix(key, prefix, delimiter)
                yield shared
                start = past(shared)
                if start > batch[-1].key.encode():
                    break
            else:
                yield found
                start = key + b"\x00"
        if len(batch) <= limit:
            return


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes:
    return key[: key.index(delimiter, len(prefix)) + len(delimiter)]


def successor(prefix: bytes) -> bytes | None:
    """Return the first text after all that begin with `prefix`; None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


def past(prefix: bytes) -> bytes:
    return successor(prefix) or b"\xff"


def page_limit(parameters: dict[str, str]) -> int:
    return min(whole_number(parameters, "max-keys", PAGE_MAX), PAGE_MAX)


# --- Telling ------------------------------------------------------------------------------------------------------


def describe(name: str, request: Request, page: Page) -> ElementTree.Element:
    """Return what both versions have in common."""
    parameters = request.parameters
    if parameters.get("encoding-type") not in (None, "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    root = ElementTree.Element(name)
    add(root, "Name", request.bucket)
    add(root, "Prefix", encoded(parameters.get("prefix", ""), parameters))
    if delimiter := parameters.get("delimiter"):
        add(root, "Delimiter", encoded(delimiter, parameters))
    add(root, "MaxKeys", str(page_limit(parameters)))
    if "encoding-type" in parameters:
        add(root, "EncodingType", "url")
    add(root, "IsTruncated", "true" if page.is_truncated else "false")
    for found in page.objects:
        contents = ElementTree.SubElement(root, "Contents")
        add(contents, "Key", encoded(found.key, parameters))
        add(contents, "LastModified", xml_time(found.modified_at))
        add(contents, "ETag", f'"{found.etag}"')
        add(contents, "Size", str(found.size_bytes))
        add(contents, "StorageClass", "STANDARD")
    for prefix in page.prefixes:
        add(ElementTree.SubElement(root, "CommonPrefixes"), "Prefix", encoded(prefix, parameters))
    return root


def encoded(text: str, parameters: dict[str, str]) -> str:
    """Return the text as the caller wants it: characters that XML cannot carry arrive when it is URL-encoded."""
    return quote(text, safe="/-_.~*") if parameters.get("encoding-type") == "url" else text
