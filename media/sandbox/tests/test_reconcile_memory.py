"""Bucket and table are walked along side by side, so the comparison takes the same memory however long both are."""

import json
import tracemalloc
from datetime import datetime

import pytest

from media import services
from media.bench import dataset
from media.models import Asset
from media.sandbox.store import open_store

pytestmark = [pytest.mark.long, pytest.mark.django_db]

FEW, MANY = 10_000, 100_000
GROWTH_BYTES = 2_000_000  # ten times as many; kept in a list, they would be some fifty


def fill(owner: str, count: int, now: datetime) -> None:
    """Let a person have so many assets, and the bucket an object for each."""
    (user_id,) = dataset.load_people([owner], stored_bytes=count * dataset.FILE_BYTES, now=now)
    dataset.load_assets(user_id, count, now=now)
    keys = Asset.objects.filter(user_id=user_id).values_list("key", flat=True).iterator()
    with open_store().writing() as index:
        index.executemany(
            "INSERT INTO objects VALUES (?, 'etag', ?, '{}', ?, ?)",
            (
                (key.encode(), dataset.FILE_BYTES, now.timestamp(), json.dumps([[key[-36:], dataset.FILE_BYTES]]))
                for key in keys
            ),
        )


def peak_bytes(expected: int, now: datetime) -> int:
    """Compare, find no difference, and return the most memory that it took."""
    tracemalloc.start()
    try:
        progress = services.reconcile_media(now=now)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (progress.objects, progress.assets, progress.remaining) == (expected, expected, 0)
    return peak


def test_does_not_grow_with_the_number_of_files(now: datetime) -> None:
    services.reconcile_media(now=now)  # whatever is loaded once is loaded
    fill("few", FEW, now)
    few = peak_bytes(FEW, now)
    fill("many", MANY - FEW, now)
    many = peak_bytes(MANY, now)
    print(f"peak of {FEW:,} files: {few / 1e6:.1f} MB, of {MANY:,}: {many / 1e6:.1f} MB")  # noqa: T201
    assert many < few + GROWTH_BYTES
