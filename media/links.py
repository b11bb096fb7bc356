"""The URL under which the owner of an asset sees, plays or downloads it for a while. Signed here; the bucket is not
asked."""

from django.utils.http import content_disposition_header

from media import kinds
from media.models import Asset
from media.storage import get_r2_client


def asset_url(asset: Asset, *, expires_in_seconds: int) -> str | None:
    """Return a presigned GET, or None while nothing is stored. What is no image, video or sound is a download.

    :raises storage.StorageNotConfigured: there is no bucket.
    """
    if asset.status != Asset.Status.STORED:
        return None
    disposition = content_disposition_header(not kinds.is_shown_inline(asset.kind), asset.filename)
    return get_r2_client().generate_presigned_url(
        key=asset.key, expires_in=expires_in_seconds, content_disposition=disposition or ""
    )
