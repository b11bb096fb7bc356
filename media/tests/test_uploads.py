"""Uploads: announced, signed, sent straight to the bucket, and looked at there."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from media import kinds, services
from media.models import Asset, StorageAccount
from media.storage import R2Client
from media.tests import outage
from media.tests.conftest import GIGABYTE, MEGABYTE, PNG, Announce, Store, fetch, lay, put

pytestmark = pytest.mark.django_db


class TestAnnouncing:
    def test_signs_an_upload_under_a_key_that_nobody_chose(self, alice: Any, announce: Announce, now: datetime) -> None:
        announced = announce(filename="../../etc/passwd.png")
        asset = announced.asset
        assert asset.key == f"generations/{alice.pk}/{asset.pk}.png"
        assert (asset.status, asset.number) == ("uploading", 1)
        assert (announced.method, announced.expires_at) == ("PUT", now + timedelta(minutes=15))
        assert announced.headers["Content-Type"] == "image/png"
        assert announced.headers["Content-Length"] == str(len(PNG))

    def test_counts_in_the_quota_at_once_and_costs_nothing_yet(
        self, announce: Announce, usage: Callable[..., Any], now: datetime
    ) -> None:
        announce(size_bytes=MEGABYTE)
        found = usage(now)
        assert (found.used_bytes, found.stored_bytes, found.objects) == (MEGABYTE, 0, 0)

    def test_goes_up_to_the_quota_of_the_plan_and_not_a_byte_further(
        self, announce: Announce, on_plan: Callable[..., None], usage: Callable[..., Any], now: datetime
    ) -> None:
        announce(size_bytes=99 * MEGABYTE)
        with pytest.raises(services.QuotaExceeded) as refused:
            announce(size_bytes=MEGABYTE + 1)
        assert refused.value.context == {
            "size_bytes": MEGABYTE + 1,
            "used_bytes": 99 * MEGABYTE,
            "quota_bytes": 100 * MEGABYTE,
        }
        assert usage(now).used_bytes == 99 * MEGABYTE
        announce(size_bytes=MEGABYTE)
        on_plan("pro")
        announce(size_bytes=4_900 * MEGABYTE)
        with pytest.raises(services.QuotaExceeded):
            announce(size_bytes=1)

    def test_over_quota_after_a_downgrade_takes_nothing_new_and_deletes_nothing(
        self, store: Store, announce: Announce, on_plan: Callable[..., None], usage: Callable[..., Any], now: datetime
    ) -> None:
        on_plan("pro")
        store(GIGABYTE)
        on_plan("free")
        with pytest.raises(services.QuotaExceeded) as refused:
            announce(size_bytes=1)
        assert "and 0 of your" in refused.value.detail
        found = usage(now)
        assert (found.used_bytes, found.quota_bytes, found.objects) == (GIGABYTE, 100 * MEGABYTE, 1)

    @pytest.mark.parametrize(
        ("kind", "content_type"),
        [
            ("image", "image/svg+xml"),
            ("other", "image/svg+xml"),
            ("other", "text/html"),
            ("other", "application/xhtml+xml"),
            ("other", "text/javascript"),
            ("image", "video/mp4"),
            ("video", "image/png"),
        ],
    )
    def test_refuses_what_a_browser_could_run_and_what_is_of_another_kind(
        self, announce: Announce, kind: str, content_type: str
    ) -> None:
        with pytest.raises(services.TypeNotAllowed):
            announce(kind=kind, content_type=content_type)
        assert not Asset.objects.exists()

    def test_admits_every_type_of_the_list(self, announce: Announce) -> None:
        for kind, types in kinds.EXTENSIONS.items():
            for content_type, extension in types.items():
                asset = announce(kind=kind, content_type=content_type, size_bytes=1).asset
                assert asset.key.endswith(f".{extension}")

    def test_refuses_more_than_one_upload_can_carry(self, announce: Announce, on_plan: Callable[..., None]) -> None:
        on_plan("enterprise")
        announce(size_bytes=5 * GIGABYTE)
        with pytest.raises(services.FileTooLarge):
            announce(size_bytes=5 * GIGABYTE + 1)

    def test_refuses_more_files_than_anybody_may_have(
        self, upload: Store, announce: Announce, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("media.services.uploads.MOST_FILES", 2)
        upload()
        upload()
        with pytest.raises(services.TooManyFiles) as refused:
            announce()
        assert refused.value.context == {"most_files": 2}

    def test_refuses_nobodys_file(self, announce: Announce) -> None:
        with pytest.raises(services.UnknownUser):
            announce(user_id=uuid4())
        assert not StorageAccount.objects.exists()


class TestCompleting:
    def test_makes_a_stored_asset_of_what_arrived(
        self, upload: Store, usage: Callable[..., Any], now: datetime
    ) -> None:
        asset = upload()
        assert (asset.status, asset.stored_at) == ("stored", now)
        found = usage(now)
        assert (found.used_bytes, found.stored_bytes, found.objects) == (len(PNG), len(PNG), 1)

    def test_again_is_the_same(self, upload: Store, usage: Callable[..., Any], now: datetime) -> None:
        asset = upload()
        later = services.complete_upload(asset_id=str(asset.pk), now=now + timedelta(hours=1))
        assert later.stored_at == now
        assert usage(now).stored_bytes == len(PNG)

    def test_before_the_file_has_arrived_is_refused_and_may_be_tried_again(
        self, announce: Announce, now: datetime
    ) -> None:
        announced = announce()
        with pytest.raises(services.UploadMissing):
            services.complete_upload(asset_id=str(announced.asset.pk), now=now)
        assert put(announced.url, PNG, announced.headers).status_code == 200
        assert services.complete_upload(asset_id=str(announced.asset.pk), now=now).status == "stored"

    @pytest.mark.parametrize(
        ("body", "content_type"), [(PNG + b"more", "image/png"), (PNG[:-1], "image/png"), (PNG, "text/html")]
    )
    def test_refuses_and_deletes_another_file_than_announced(
        self, announce: Announce, r2: R2Client, tmp_path: Any, now: datetime, body: bytes, content_type: str
    ) -> None:
        announced = announce()
        (tmp_path / "file").write_bytes(body)  # past the signature, as only somebody with our keys can
        r2.upload_file(file_path=tmp_path / "file", key=announced.asset.key, content_type=content_type)
        with pytest.raises(services.UploadMismatch) as refused:
            services.complete_upload(asset_id=str(announced.asset.pk), now=now)
        assert refused.value.context == {"size_bytes": len(body), "content_type": content_type}
        assert not r2.file_exists(announced.asset.key)
        assert Asset.objects.get().status == "uploading"
        assert put(announced.url, PNG, announced.headers).status_code == 200
        assert services.complete_upload(asset_id=str(announced.asset.pk), now=now).status == "stored"

    @pytest.mark.parametrize("is_completed", [False, True])
    def test_never_deletes_the_right_file_that_has_taken_its_place(
        self, announce: Announce, r2: R2Client, settings: Any, now: datetime, is_completed: bool
    ) -> None:
        announced = announce()
        asset_id = str(announced.asset.pk)

        def another_completes_and_sends_again() -> None:
            with pytest.raises(services.UploadMismatch):
                services.complete_upload(asset_id=asset_id, now=now)
            assert put(announced.url, PNG, announced.headers).status_code == 200
            if is_completed:
                services.complete_upload(asset_id=asset_id, now=now)

        lay(announced.asset.key, b"another")
        outage.happen_first.append(another_completes_and_sends_again)
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.answer_late"
        assert services.complete_upload(asset_id=asset_id, now=now).status == "stored"
        assert r2.file_exists(announced.asset.key)

    def test_charges_for_no_file_that_another_caller_deleted_at_the_last_moment(
        self, announce: Announce, r2: R2Client, settings: Any, usage: Callable[..., Any], now: datetime
    ) -> None:
        announced = announce()
        asset_id = str(announced.asset.pk)

        def another_deletes_sends_again_and_completes() -> None:
            with pytest.raises(services.UploadMismatch):
                services.complete_upload(asset_id=asset_id, now=now)
            assert put(announced.url, PNG, announced.headers).status_code == 200
            assert services.complete_upload(asset_id=asset_id, now=now).status == "stored"

        lay(announced.asset.key, b"another")
        outage.happen_first.append(another_deletes_sends_again_and_completes)
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.delete_late"
        with pytest.raises(services.UploadMismatch):
            services.complete_upload(asset_id=asset_id, now=now)
        assert not r2.file_exists(announced.asset.key)
        assert (Asset.objects.get().status, usage(now).stored_bytes, usage(now).objects) == ("uploading", 0, 0)
        assert put(announced.url, PNG, announced.headers).status_code == 200
        assert services.complete_upload(asset_id=asset_id, now=now).status == "stored"

    def test_is_the_owners_alone(self, upload: Store, announce: Announce, bob: Any, now: datetime) -> None:
        for asset in (upload(), announce().asset):
            with pytest.raises(services.UnknownAsset):
                services.complete_upload(asset_id=str(asset.pk), user_id=bob.pk, now=now)

    def test_of_what_was_deleted_is_refused(self, alice: Any, upload: Store, now: datetime) -> None:
        asset = upload()
        services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now)
        with pytest.raises(services.UnknownAsset):
            services.complete_upload(asset_id=str(asset.pk), now=now)


class TestTheSignature:
    def test_lets_nothing_through_but_what_was_announced(self, announce: Announce, r2: R2Client) -> None:
        announced = announce()
        assert put(announced.url, PNG + b"more", announced.headers).status_code == 403
        assert put(announced.url, PNG, announced.headers | {"Content-Type": "text/html"}).status_code == 403
        assert (
            put(announced.url.replace(str(announced.asset.pk), str(uuid4())), PNG, announced.headers).status_code == 403
        )
        assert not r2.file_exists(announced.asset.key)

    def test_lets_nobody_replace_what_was_looked_at(self, announce: Announce, now: datetime) -> None:
        announced = announce()
        put(announced.url, PNG, announced.headers)
        services.complete_upload(asset_id=str(announced.asset.pk), now=now)
        assert put(announced.url, PNG[::-1], announced.headers).status_code == 412


class TestTheUrl:
    def test_shows_pictures_films_and_sounds(self, upload: Store) -> None:
        from media.links import asset_url

        asset = upload(filename="cat.png")
        answer = fetch(asset_url(asset, expires_in_seconds=60) or "")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.getvalue() == PNG
        assert answer.headers["Content-Disposition"] == 'inline; filename="cat.png"'

    def test_lets_everything_else_be_downloaded(self, upload: Store) -> None:
        from media.links import asset_url

        asset = upload(b"<script>1</script>", kind="other", content_type="text/plain", filename='a"\u00fc.html')
        answer = fetch(asset_url(asset, expires_in_seconds=60) or "")
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")
