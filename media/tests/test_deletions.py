"""How assets end: deleted, given up, swept. What could come back stays in the quota."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from credits import services as credits_services
from media import selectors, services, tasks
from media.models import Asset, StorageAccount
from media.storage import R2Client, StorageUnavailable
from media.tests import outage
from media.tests.conftest import PNG, Announce, Store, lay, put

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
URL_USED_FOR = 15 * MINUTE + HOUR  # an upload may take an hour longer than its URL lives


class TestDeleting:
    def test_takes_a_file_out_of_bucket_list_and_bill_at_once(
        self, alice: Any, upload: Store, r2: R2Client, usage: Callable[..., Any], now: datetime
    ) -> None:
        asset = upload()
        services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now + MINUTE)
        assert not r2.file_exists(asset.key)
        assert selectors.list_assets(user_id=alice.pk, page=1, limit=20).total == 0
        found = usage(now)
        assert (found.stored_bytes, found.objects) == (0, 0)

    def test_leaves_it_in_the_quota_until_its_upload_url_is_of_no_more_use(
        self, alice: Any, announce: Announce, r2: R2Client, usage: Callable[..., Any], now: datetime
    ) -> None:
        announced = announce()
        put(announced.url, PNG, announced.headers)
        services.complete_upload(asset_id=str(announced.asset.pk), now=now)
        services.delete_asset(asset_id=str(announced.asset.pk), user_id=alice.pk, now=now)
        # The URL lives: the file is sent again, for nobody to see and nobody to pay.
        assert put(announced.url, PNG, announced.headers).status_code == 200
        services.sweep(now=now + 15 * MINUTE)
        # It has expired, and what was under way by it arrives.
        lay(announced.asset.key)
        services.sweep(now=now + URL_USED_FOR - MINUTE)
        assert usage(now).used_bytes == len(PNG)
        swept = services.sweep(now=now + URL_USED_FOR)
        assert (swept.cleaned, swept.kept) == (1, 0)
        assert not r2.file_exists(announced.asset.key)
        assert usage(now).used_bytes == 0

    @pytest.mark.parametrize("is_all", [False, True])
    def test_frees_the_quota_at_once_when_the_upload_url_is_of_no_more_use(
        self, alice: Any, upload: Store, usage: Callable[..., Any], now: datetime, is_all: bool
    ) -> None:
        def delete(at: datetime) -> None:
            asset = upload()
            if is_all:
                services.delete_all_assets(user_id=alice.pk, now=at)
            else:
                services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=at)

        delete(now + URL_USED_FOR)
        assert usage(now).used_bytes == 0
        delete(now + URL_USED_FOR - MINUTE)
        assert usage(now).used_bytes == len(PNG)

    def test_again_changes_nothing(self, alice: Any, upload: Store, usage: Callable[..., Any], now: datetime) -> None:
        asset, other = upload(), upload()
        for moment in (now, now + MINUTE, now + 2 * HOUR, now + 3 * HOUR):
            services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=moment)
        assert Asset.objects.get(pk=asset.pk).ended_at == now
        found = usage(now)
        assert (found.used_bytes, found.objects) == (other.size_bytes, 1)

    def test_cancels_an_upload(self, alice: Any, announce: Announce, usage: Callable[..., Any], now: datetime) -> None:
        announced = announce()
        services.delete_asset(asset_id=str(announced.asset.pk), user_id=alice.pk, now=now)
        assert usage(now).used_bytes == len(PNG)
        services.sweep(now=now + URL_USED_FOR)
        assert usage(now).used_bytes == 0

    def test_is_the_owners_alone(self, bob: Any, upload: Store, r2: R2Client, now: datetime) -> None:
        asset = upload()
        for asset_id in (str(asset.pk), "nonsense", "00000000-0000-4000-8000-000000000000"):
            with pytest.raises(services.UnknownAsset):
                services.delete_asset(asset_id=asset_id, user_id=bob.pk, now=now)
        assert r2.file_exists(asset.key)

    def test_is_finished_by_a_sweep_when_the_bucket_cannot_be_reached(
        self, alice: Any, upload: Store, usage: Callable[..., Any], settings: Any, now: datetime
    ) -> None:
        asset = upload()
        transport = settings.R2_SANDBOX_TRANSPORT
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.refuse"
        with pytest.raises(StorageUnavailable):
            services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now + 2 * HOUR)
        found = usage(now)
        assert (found.stored_bytes, found.used_bytes) == (0, len(PNG))
        settings.R2_SANDBOX_TRANSPORT = transport
        assert services.sweep(now=now + 2 * HOUR).cleaned == 1
        assert usage(now).used_bytes == 0

    def test_of_everything_leaves_nothing(
        self, alice: Any, upload: Store, announce: Announce, r2: R2Client, usage: Callable[..., Any], now: datetime
    ) -> None:
        assets = [upload(), upload(), upload(kind="other", content_type="text/plain"), announce().asset]
        assert services.delete_all_assets(user_id=alice.pk, now=now + 2 * HOUR) == 4
        assert not [asset for asset in assets if r2.file_exists(asset.key)]
        assert usage(now).used_bytes == 0
        assert services.delete_all_assets(user_id=alice.pk, now=now + 2 * HOUR) == 0

    def test_of_everything_leaves_others_alone(self, bob: Any, upload: Store, now: datetime) -> None:
        asset = upload()
        assert services.delete_all_assets(user_id=bob.pk, now=now) == 0
        asset.refresh_from_db()
        assert asset.status == "stored"


class TestSweep:
    def test_gives_up_an_upload_that_was_never_finished(
        self, announce: Announce, usage: Callable[..., Any], r2: R2Client, now: datetime
    ) -> None:
        announced = announce()
        put(announced.url, PNG, announced.headers)  # sent, and never completed
        swept = services.sweep(now=now + URL_USED_FOR - MINUTE)
        assert (swept.expired, swept.cleaned) == (0, 0)
        swept = services.sweep(now=now + URL_USED_FOR)
        assert (swept.expired, swept.cleaned, swept.kept) == (1, 1, 0)
        assert Asset.objects.get().status == "expired"
        assert not r2.file_exists(announced.asset.key)
        assert usage(now).used_bytes == 0
        with pytest.raises(services.UnknownAsset):
            services.complete_upload(asset_id=str(announced.asset.pk), now=now + 2 * HOUR)

    def test_gets_past_files_that_the_bucket_keeps(
        self, announce: Announce, r2: R2Client, settings: Any, now: datetime
    ) -> None:
        sent = [announce() for _ in range(5)]
        for upload in sent:
            put(upload.url, PNG, upload.headers)
        assets = sorted((upload.asset for upload in sent), key=lambda asset: asset.pk)
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.keep"
        outage.kept_keys.update(asset.key for asset in assets[:3])
        swept = services.sweep(now=now + URL_USED_FOR, at_once=2)
        assert (swept.expired, swept.cleaned, swept.kept) == (5, 2, 3)
        assert [r2.file_exists(asset.key) for asset in assets] == [True, True, True, False, False]
        outage.kept_keys.clear()
        assert services.sweep(now=now + URL_USED_FOR, at_once=2).cleaned == 3

    def test_of_an_account_that_fails_keeps_no_other_waiting_and_is_told(
        self, alice: Any, bob: Any, announce: Announce, set_clock: Callable[[datetime], None], now: datetime
    ) -> None:
        announce(), announce(user_id=bob.pk, now=now + MINUTE)
        StorageAccount.objects.filter(user=alice).update(used_bytes=1)
        set_clock(now + 2 * HOUR)
        with pytest.raises(credits_services.AccountsFailed, match="files of 1 account"):
            tasks.sweep(timestamp=0)
        assert Asset.objects.get(cleaned_at__isnull=False).user_id == bob.pk
        services.reconcile_media(now=now + 2 * HOUR, is_repair=True)
        assert services.sweep(now=now + 2 * HOUR).cleaned == 1

    def test_leaves_what_is_stored(self, upload: Store, r2: R2Client, now: datetime) -> None:
        asset = upload()
        services.sweep(now=now + timedelta(days=365))
        assert r2.file_exists(asset.key)
        assert Asset.objects.get().status == "stored"

    def test_forgets_a_name_at_once_and_the_rest_in_a_month(self, alice: Any, upload: Store, now: datetime) -> None:
        asset = upload(filename="my secret.png")
        services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now + 2 * HOUR)
        assert Asset.objects.get().filename == ""
        services.sweep(now=now + 2 * HOUR + timedelta(days=30) - MINUTE)
        assert Asset.objects.exists()
        services.sweep(now=now + 2 * HOUR + timedelta(days=30))
        assert not Asset.objects.exists()
