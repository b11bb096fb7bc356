"""The bucket on disk: bytes in files of their own, and one SQLite database that knows which belong to which key.

    index.sqlite3       key, size, entity tag, headers, and the files that hold the content, in order
    files/3f/3f9c…      content; written once, under a name that nobody chose, so that no key can point elsewhere

It stands apart from the product's database: an object store knows nothing of anybody's transactions.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from media.sandbox.digests import Expected, Hashing
from media.sandbox.errors import S3Error
from media.sandbox.messages import Readable

PIECE_BYTES = 256 * 1024
BUSY_TIMEOUT_SECONDS = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    key BLOB PRIMARY KEY,  -- UTF-8, so that they sort as S3 sorts them
    etag TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    headers TEXT NOT NULL,
    modified_at REAL NOT NULL,
    files TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    headers TEXT NOT NULL,
    started_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    etag TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_at REAL NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Received:
    """Content that has arrived and belongs to no key yet."""

    file: str
    size_bytes: int
    md5: str


@dataclass(frozen=True)
class StoredObject:
    """What lies under a key. `files` are (name, size_bytes): one, or one for each part of a multipart upload."""

    key: str
    etag: str
    size_bytes: int
    headers: dict[str, str]
    modified_at: datetime
    files: list[tuple[str, int]]


class Store:
    """One bucket's folder; used by many threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.swept_at: datetime | None = None
        self._local = threading.local()

    # --- The index --------------------------------------------------------------------------------------------

    @property
    def index(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        if not hasattr(self._local, "index"):
            self.folder.mkdir(parents=True, exist_ok=True)
            index = sqlite3.connect(self.folder / "index.sqlite3", timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
            index.execute("PRAGMA journal_mode = WAL")
            index.execute("PRAGMA synchronous = NORMAL")
            index.execute("PRAGMA foreign_keys = ON")
            index.executescript(SCHEMA)
            self._local.index = index
        connection: sqlite3.Connection = self._local.index
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the index's one write lock: what is read inside is still so when it is written."""
        index = self.index
        index.execute("BEGIN IMMEDIATE")
        try:
            yield index
        except BaseException:
            index.execute("ROLLBACK")
            raise
        index.execute("COMMIT")

    # --- Content ----------------------------------------------------------------------------------------------

    def path(self, file: str) -> Path:
        return self.folder / "files" / file[:2] / file

    def receive(self, body: Readable, size_bytes: int, expected: list[Expected]) -> Received:
        """Write exactly `size_bytes` of the body to a new file, piece by piece.

        :raises S3Error: IncompleteBody, BadDigest, XAmzContentSHA256Mismatch; the file is gone then.
        """
        file = secrets.token_hex(16)
        path = self.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        hashing, missing_bytes = Hashing(expected), size_bytes
        try:
            with path.open("xb") as target:
                while missing_bytes and (piece := body.read(min(PIECE_BYTES, missing_bytes))):
                    target.write(piece)
                    missing_bytes -= len(piece)
                    hashing.update(piece)
            if missing_bytes:
                raise S3Error("IncompleteBody")
            hashing.require()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Received(file, size_bytes, hashing.md5())

    def discard(self, files: list[str]) -> None:
        """Remove content that no key names any more."""
        for file in files:
            with suppress(OSError):  # somebody may still read it on a system that refuses this
                self.path(file).unlink(missing_ok=True)

    def read(self, found: StoredObject, start: int, size_bytes: int) -> Iterator[bytes]:
        """Yield `size_bytes` of the object's content from `start` on, piece by piece."""
        for file, file_bytes in found.files:
            if start >= file_bytes:
                start -= file_bytes
                continue
            with self.path(file).open("rb") as source:
                source.seek(start)
                start = 0
                while size_bytes and (piece := source.read(min(PIECE_BYTES, size_bytes))):
                    size_bytes -= len(piece)
                    yield piece
            if not size_bytes:
                return

    # --- Objects ----------------------------------------------------------------------------------------------

    def page(self, start: bytes, end: bytes | None, limit: int) -> list[StoredObject]:
        """Return up to `limit` objects whose key, as bytes, is `start` or later and before `end`, in order."""
        rows = self.index.execute(
            "SELECT * FROM objects WHERE key >= ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
            [start, end, end, limit],
        )
        return [to_object(row) for row in rows]

    def find(self, key: str) -> StoredObject | None:
        """Return what lies under the key."""
        row = self.index.execute("SELECT * FROM objects WHERE key = ?", [key.encode()]).fetchone()
        return to_object(row) if row else None

    def put(
        self,
        key: str,
        *,
        etag: str,
        headers: dict[str, str],
        files: list[tuple[str, int]],
        now: datetime,
        only_new: bool = False,
        only_etag: str = "",
    ) -> None:
        """Let the key name these files from now on, and remove what it named before.

        :raises S3Error: PreconditionFailed, and nothing has changed.
        """
        with self.writing():
            replaced = self.replace(
                key, etag=etag, headers=headers, files=files, now=now, only_new=only_new, only_etag=only_etag
            )
        self.discard(replaced)

    def replace(
        self,
        key: str,
        *,
        etag: str,
        headers: dict[str, str],
        files: list[tuple[str, int]],
        now: datetime,
        only_new: bool,
        only_etag: str,
    ) -> list[str]:
        """Inside `writing`: let the key name these files, and return those that no key names any more."""
        before = self.find(key)
        require_precondition(before, only_new=only_new, only_etag=only_etag)
        size_bytes = sum(size for _, size in files)
        self.index.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
            [key.encode(), etag, size_bytes, json.dumps(headers), now.timestamp(), json.dumps(files)],
        )
        return [file for file, _ in before.files] if before else []

    def delete(self, keys: list[str]) -> None:
        """Remove the objects that there are under these keys."""
        files: list[str] = []
        with self.writing() as index:
            for key in keys:
                if found := self.find(key):
                    files += [file for file, _ in found.files]
                    index.execute("DELETE FROM objects WHERE key = ?", [key.encode()])
        self.discard(files)


def to_object(row: tuple[bytes, str, int, str, float, str]) -> StoredObject:
    key, etag, size_bytes, headers, modified_at, files = row
    return StoredObject(
        key.decode(),
        etag,
        size_bytes,
        json.loads(headers),
        datetime.fromtimestamp(modified_at, UTC),
        [(name, size) for name, size in json.loads(files)],
    )


def require_precondition(found: StoredObject | None, *, only_new: bool, only_etag: str) -> None:
    """:raises S3Error: PreconditionFailed, or NoSuchKey when the object that should be replaced is not there."""
    if only_new and found:
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
    if only_etag and not found:
        raise S3Error("NoSuchKey")
    if only_etag and found and only_etag not in ("*", found.etag):
        raise S3Error("PreconditionFailed", Condition="If-Match")


@lru_cache(maxsize=4)
def store_in(folder: Path) -> Store:
    return Store(folder)


def open_store() -> Store:
    """Return the bucket in `settings.R2_SANDBOX_DIR`."""
    return store_in(Path(settings.R2_SANDBOX_DIR))
