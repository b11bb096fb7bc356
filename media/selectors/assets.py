"""Assets: one, a page of them, and those whose time has come.

Assets are numbered as they were announced, and every 500 numbers are a block whose stored assets are counted. So a page
is found by adding up blocks, and the last page of 100,000 assets costs what the first does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from media.models import Asset, AssetCount

ASSETS_PER_BLOCK = 500
CHUNK = 1000


@dataclass(frozen=True)
class AssetPage:
    """One page of stored assets, newest first."""

    assets: list[Asset]
    total: int
    pages: int
    page: int
    limit: int


@dataclass(frozen=True)
class KeyedAsset:
    """What the comparison with the bucket needs of an asset."""

    key: str
    id: UUID
    user_id: UUID
    size_bytes: int
    is_stored: bool
    is_cleaned: bool


def find_asset(*, asset_id: str, user_id: UUID | None = None) -> Asset | None:
    """Return an asset, whatever its state, by its id; with `user_id`, only that user's."""
    try:
        asset = Asset.objects.filter(pk=UUID(asset_id))
    except ValueError:
        return None
    return (asset if user_id is None else asset.filter(user_id=user_id)).first()


def list_assets(*, user_id: UUID, page: int, limit: int, kind: str | None = None) -> AssetPage:
    """Return one page of a user's stored assets, newest first, by its number (from 1)."""
    counts = AssetCount.objects.filter(user_id=user_id, assets__gt=0)
    stored = Asset.objects.filter(user_id=user_id, status=Asset.Status.STORED)
    if kind is not None:
        counts, stored = counts.filter(kind=kind), stored.filter(kind=kind)
    blocks = list(counts.values_list("block").annotate(total=Sum("assets")).order_by("-block"))
    total = sum(assets for _, assets in blocks)
    skipped = (page - 1) * limit
    assets: list[Asset] = []
    for block, in_block in blocks:
        if skipped < in_block:
            newest = stored.filter(number__lt=(block + 1) * ASSETS_PER_BLOCK).order_by("-number")
            assets = list(newest[skipped : skipped + limit])
            break
        skipped -= in_block
    return AssetPage(assets=assets, total=total, pages=-(-total // limit), page=page, limit=limit)


def iterate_assets_by_key() -> Iterator[KeyedAsset]:
    """Yield every asset in the order of the bucket's keys, in constant memory."""
    last = ""
    while True:
        chunk = Asset.objects.filter(key__gt=last).order_by("key")[:CHUNK]
        rows = list(chunk.values_list("key", "id", "user_id", "size_bytes", "status", "cleaned_at"))
        for key, asset_id, user_id, size_bytes, status, cleaned_at in rows:
            yield KeyedAsset(key, asset_id, user_id, size_bytes, status == Asset.Status.STORED, cleaned_at is not None)
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]


def iterate_unfinished_uploads(*, expired_before: datetime, at_once: int) -> Iterator[list[Asset]]:
    """Yield announced assets whose upload URL had expired at a moment, the oldest first, so many at once."""
    uploading = Asset.objects.filter(status=Asset.Status.UPLOADING, upload_expires_at__lte=expired_before)
    return iterate_to_sweep(uploading, at_once=at_once)


def iterate_assets_to_clean(*, expired_before: datetime, at_once: int) -> Iterator[list[Asset]]:
    """Yield assets that ended and whose upload URL had expired at a moment, the oldest first, so many at once."""
    gone = [Asset.Status.DELETED, Asset.Status.EXPIRED]
    ended = Asset.objects.filter(status__in=gone, upload_expires_at__lte=expired_before)
    return iterate_to_sweep(ended, at_once=at_once)


def iterate_to_sweep(assets: QuerySet[Asset], *, at_once: int) -> Iterator[list[Asset]]:
    """Yield assets that are not cleaned, each once, whatever becomes of it meanwhile."""
    rest = to_sweep = assets.filter(cleaned_at=None).order_by("upload_expires_at", "pk")
    while found := list(rest[:at_once]):
        yield found
        last = found[-1]
        after = Q(upload_expires_at__gt=last.upload_expires_at) | Q(pk__gt=last.pk)
        rest = to_sweep.filter(after, upload_expires_at__gte=last.upload_expires_at)
