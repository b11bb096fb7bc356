"""The stand-in keeps nothing that nobody will ask for any more."""

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from media.sandbox import sweeping
from media.sandbox.errors import S3Error
from media.sandbox.store import Received, Store
from media.sandbox.uploads import add_part, find_upload, find_uploads, start_upload

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def receive(store: Store, at: datetime) -> Received:
    """Let content arrive at a moment that belongs to no key yet, as when the server is killed thereafter."""
    received = store.receive(io.BytesIO(b"content"), 7, [])
    os.utime(store.path(received.file), (at.timestamp(), at.timestamp()))
    return received


def begin(store: Store, at: datetime) -> tuple[str, Received]:
    """Begin an upload in parts of which one has arrived."""
    upload_id = start_upload(store, key="film.mp4", headers={}, now=at)
    part = receive(store, at)
    add_part(store, find_upload(store, "film.mp4", upload_id), number=1, received=part, now=at)
    return upload_id, part


def test_content_of_a_killed_upload_is_removed_after_a_day(store: Store) -> None:
    old, new = receive(store, NOW - DAY), receive(store, NOW - DAY / 2)
    sweeping.remove_left_behind(store, NOW)
    assert not store.path(old.file).exists()
    assert store.path(new.file).exists()  # it may still be arriving


def test_content_of_objects_and_parts_stays_however_old(store: Store) -> None:
    stored = receive(store, NOW - 100 * DAY)
    store.put("cat.png", etag=stored.md5, headers={}, files=[(stored.file, 7)], now=NOW - 100 * DAY)
    _, part = begin(store, NOW - 6 * DAY)
    sweeping.remove_left_behind(store, NOW)
    assert store.path(stored.file).exists()
    assert store.path(part.file).exists()


def test_is_swept_at_first_use_and_once_a_day(store: Store) -> None:
    first = receive(store, NOW - DAY)
    sweeping.sweep_daily(store, NOW)
    assert not store.path(first.file).exists()
    second = receive(store, NOW - DAY)
    sweeping.sweep_daily(store, NOW + DAY / 2)
    assert store.path(second.file).exists()
    sweeping.sweep_daily(store, NOW + DAY)
    assert not store.path(second.file).exists()


def test_an_upload_in_parts_ends_after_seven_days_with_all_that_has_arrived(store: Store) -> None:
    ended, part = begin(store, NOW - 7 * DAY)
    alive, other = begin(store, NOW - 7 * DAY + timedelta(seconds=1))
    sweeping.abort_ended_uploads(store, NOW)
    assert [upload.id for upload in find_uploads(store, "")] == [alive]
    with pytest.raises(S3Error, match="NoSuchUpload"):
        find_upload(store, "film.mp4", ended)
    assert not store.path(part.file).exists()
    assert store.path(other.file).exists()
