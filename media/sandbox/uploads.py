"""Multipart uploads on disk: parts are files of their own, and completing one names them, in order, as the object.

So completing a large upload takes no longer than a small one, and nothing is copied. Least size, equal sizes and entity
tags are R2's: https://developers.cloudflare.com/r2/objects/multipart-objects/
"""

import hashlib
import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from media.sandbox.errors import S3Error
from media.sandbox.store import Received, Store

PART_MIN_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    """An upload that was begun and is neither completed nor aborted."""

    id: str
    key: str
    headers: dict[str, str]
    started_at: datetime


@dataclass(frozen=True)
class Part:
    number: int
    etag: str
    size_bytes: int
    modified_at: datetime
    file: str


def start_upload(store: Store, *, key: str, headers: dict[str, str], now: datetime) -> str:
    """Begin an upload and return its id."""
    upload_id = secrets.token_urlsafe(32)
    with store.writing() as index:
        index.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?)", [upload_id, key.encode(), json.dumps(headers), now.timestamp()]
        )
    return upload_id


def find_upload(store: Store, key: str, upload_id: str) -> Upload:
    """:raises S3Error: NoSuchUpload; also for an upload of another key."""
    row = store.index.execute("SELECT * FROM uploads WHERE id = ? AND key = ?", [upload_id, key.encode()]).fetchone()
    if row is None:
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return to_upload(row)


def find_uploads(store: Store, prefix: str) -> list[Upload]:
    """Return the uploads under way for keys with the prefix, by key and then by age."""
    rows = store.index.execute("SELECT * FROM uploads ORDER BY key, started_at, id")
    return [upload for upload in map(to_upload, rows) if upload.key.startswith(prefix)]


def find_parts(store: Store, upload_id: str, *, after: int = 0, limit: int = -1) -> list[Part]:
    """Return the parts that have arrived, by number; a limit below 0 is none."""
    rows = store.index.execute(
        "SELECT number, etag, size_bytes, modified_at, file FROM parts WHERE upload_id = ? AND number > ?"
        " ORDER BY number LIMIT ?",
        [upload_id, after, limit],
    )
    return [
        Part(number, etag, size_bytes, datetime.fromtimestamp(modified_at, UTC), file)
        for number, etag, size_bytes, modified_at, file in rows
    ]


def add_part(store: Store, upload: Upload, *, number: int, received: Received, now: datetime) -> None:
    """Keep what arrived as this part, in place of what arrived as it before."""
    with store.writing() as index:
        find_upload(store, upload.key, upload.id)  # it may have been aborted while the bytes travelled
        replaced = index.execute("SELECT file FROM parts WHERE upload_id = ? AND number = ?", [upload.id, number])
        files = [file for (file,) in replaced]
        index.execute(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)",
            [upload.id, number, received.md5, received.size_bytes, now.timestamp(), received.file],
        )
    store.discard(files)


def complete_upload(
    store: Store,
    *,
    key: str,
    upload_id: str,
    wanted: list[tuple[int, str]],
    now: datetime,
    only_new: bool,
    only_etag: str,
) -> str:
    """Let the key name the wanted parts, (number, entity tag) each, and return the object's entity tag.

    :raises S3Error: NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, PreconditionFailed.
    """
    with store.writing() as index:
        upload = find_upload(store, key, upload_id)
        arrived = {part.number: part for part in find_parts(store, upload_id)}
        parts = chosen_parts(arrived, wanted)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
        etag = f"{digest.hexdigest()}-{len(parts)}"
        replaced = store.replace(
            key,
            etag=etag,
            headers=upload.headers,
            files=[(part.file, part.size_bytes) for part in parts],
            now=now,
            only_new=only_new,
            only_etag=only_etag,
        )
        forget(index, upload_id)
    used = {part.file for part in parts}
    store.discard(replaced + [part.file for part in arrived.values() if part.file not in used])
    return etag


def chosen_parts(arrived: dict[int, Part], wanted: list[tuple[int, str]]) -> list[Part]:
    """Return the wanted parts, if they make an object."""
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise S3Error("InvalidPartOrder")
    for number, etag in wanted:
        if number not in arrived or arrived[number].etag != etag:
            raise S3Error("InvalidPart", PartNumber=str(number), ETag=etag)
    parts = [arrived[number] for number in numbers]
    for part in parts[:-1]:
        if part.size_bytes < PART_MIN_BYTES:
            raise S3Error("EntityTooSmall", PartNumber=str(part.number), MinSizeAllowed=str(PART_MIN_BYTES))
        if part.size_bytes != parts[0].size_bytes:  # R2's own rule
            raise S3Error("InvalidPart", "All non-trailing parts must have the same length.")
    return parts


def abort_upload(store: Store, key: str, upload_id: str) -> None:
    """Give the upload up, and remove what has arrived of it."""
    with store.writing() as index:
        find_upload(store, key, upload_id)
        files = [part.file for part in find_parts(store, upload_id)]
        forget(index, upload_id)
    store.discard(files)


def forget(index: sqlite3.Connection, upload_id: str) -> None:
    index.execute("DELETE FROM uploads WHERE id = ?", [upload_id])  # and its parts, by the foreign key


def to_upload(row: tuple[str, bytes, str, float]) -> Upload:
    upload_id, key, headers, started_at = row
    return Upload(upload_id, key.decode(), json.loads(headers), datetime.fromtimestamp(started_at, UTC))
