"""R2 on a bad day, over a real socket.

Whatever it is, one is told in our words and soon, and asking again ends right.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

from media import services
from media.models import Asset
from media.sandbox.client import send_in_process
from media.storage import StorageUnavailable, get_r2_client
from media.tests.conftest import PNG
from media.tests.test_api_doors import MEDIA, ORDER, refused
from smartspec.tests import troubled
from smartspec.tests.troubled import TROUBLES, Troubled

pytestmark = pytest.mark.django_db

PATIENCE_SECONDS = 10  # on a machine that has other things to do
KINDS = ("500", "garbage", "never", "lost")
EVERY = [trouble if trouble in KINDS else pytest.param(trouble, marks=pytest.mark.faults) for trouble in TROUBLES]

Ail = Callable[[str | None], None]


@pytest.fixture
def distant_r2(settings: Any) -> Iterator[Troubled]:
    """The bucket behind a socket, by boto3's own transport."""

    def forward(
        method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = f"{server.url}{path}"
        status, answered, content = send_in_process(method=method, url=url, headers=headers, body=body)
        return status, answered, content.read() or b""

    with troubled.before(forward) as server:
        settings.R2_SANDBOX_TRANSPORT = ""
        settings.CLOUDFLARE_R2_ENDPOINT = server.url
        settings.R2_TIMEOUT_SECONDS = 1
        yield server


@pytest.mark.parametrize("trouble", EVERY)
class TestAny:
    """What holds in every trouble."""

    def test_a_file_is_not_taken_for_stored_until_the_bucket_has_said_so(
        self, trouble: str, alice_client: APIClient, distant_r2: Troubled
    ) -> None:
        url = send(alice_client)
        distant_r2.trouble = trouble
        began_at = time.monotonic()
        assert refused(alice_client.post(f"{url}/complete"), 502) == "storage_unavailable"
        assert time.monotonic() - began_at < PATIENCE_SECONDS
        assert Asset.objects.get().status == "uploading"
        distant_r2.trouble = None
        assert alice_client.post(f"{url}/complete").json()["asset"]["status"] == "stored"

    def test_a_file_that_could_not_be_deleted_is_deleted_by_the_next_sweep(
        self, trouble: str, alice: Any, alice_client: APIClient, distant_r2: Troubled
    ) -> None:
        url = send(alice_client)
        assert alice_client.post(f"{url}/complete").status_code == 200
        asset = Asset.objects.get()
        distant_r2.trouble = trouble
        assert refused(alice_client.delete(url), 502) == "storage_unavailable"
        assert alice_client.get(url).status_code == 404
        distant_r2.trouble = None
        assert services.sweep(now=asset.upload_expires_at + timedelta(hours=2)).cleaned == 1
        assert not get_r2_client().file_exists(asset.key)


def test_a_silent_bucket_leaves_threads_to_whoever_needs_no_bucket(settings: Any, distant_r2: Troubled) -> None:
    settings.R2_TIMEOUT_SECONDS = 20
    troubled.assert_one_too_many_is_refused(
        distant_r2, get_r2_client().check, calls_at_once=settings.R2_CALLS_AT_ONCE, refusal=StorageUnavailable
    )


def send(client: APIClient) -> str:
    """Announce a file and send it to the bucket; return the asset's address."""
    created = client.post(f"{MEDIA}/assets", ORDER).json()  # is signed here, without asking the bucket
    upload = created["upload"]
    assert requests.put(upload["url"], data=PNG, headers=upload["headers"], timeout=PATIENCE_SECONDS).ok
    return f"{MEDIA}/assets/{created['asset']['id']}"
