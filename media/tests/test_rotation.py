"""The bucket's token is rolled while files are uploaded and read: a second one first, then the old one ends."""

from datetime import datetime
from typing import Any

import pytest

from media import services
from media.models import Asset
from media.storage import StorageNotConfigured, get_r2_client
from media.tests.conftest import PNG, Announce, fetch, put

pytestmark = pytest.mark.django_db

OLD, NEW = ("smartspec", "smartspec-local-secret"), ("smartspec-2", "smartspec-second-secret")


def use(settings: Any, token: tuple[str, str]) -> None:
    settings.CLOUDFLARE_R2_ACCESS_KEY_ID, settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY = token


def test_nothing_is_lost_while_a_token_is_rolled(announce: Announce, now: datetime, settings: Any) -> None:
    under_way = announce()
    settings.R2_SANDBOX_TOKENS = dict([OLD, NEW])
    use(settings, NEW)
    assert put(under_way.url, PNG, under_way.headers).status_code == 200
    stored = services.complete_upload(asset_id=str(under_way.asset.pk), now=now)
    assert stored.status == Asset.Status.STORED

    announced = announce()
    settings.R2_SANDBOX_TOKENS = dict([NEW])
    assert put(announced.url, PNG, announced.headers).status_code == 200
    assert fetch(get_r2_client().generate_presigned_url(key=stored.key, expires_in=60)).getvalue() == PNG
    assert put(under_way.url, PNG, under_way.headers).status_code == 403

    use(settings, OLD)
    with pytest.raises(StorageNotConfigured):
        get_r2_client().file_exists(stored.key)
