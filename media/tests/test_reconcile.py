"""The comparison of bucket and table: what differs is named, put right on request, and then is gone."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from media import services, tasks, watching
from media.models import Asset, AssetCount, StorageAccount, StorageDay
from media.storage import R2Client, StorageUnavailable
from media.tests import outage
from media.tests.conftest import PNG, Announce, Store, assert_counters, lay, put
from smartspec import clock

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def run(*arguments: str) -> tuple[str, int]:
    """Run the command and return what it said and its exit code."""
    output = io.StringIO()
    try:
        call_command("reconcile_media", *arguments, stdout=output)
    except SystemExit as ended:
        return output.getvalue(), int(ended.code or 0)
    return output.getvalue(), 0


def differences(**arguments: Any) -> list[tuple[str, str, bool]]:
    """Compare and return the kind of each difference, what it is about, and whether it was repaired."""
    found: list[tuple[str, str, bool]] = []
    arguments = {"now": datetime(2026, 3, 10, 14, tzinfo=UTC)} | arguments
    services.reconcile_media(
        on_difference=lambda difference, is_repaired: found.append(
            (difference.kind, difference.object_id, is_repaired)
        ),
        **arguments,
    )
    return found


@pytest.fixture
def orphan(alice: Any, r2: R2Client) -> str:
    return lay(f"generations/{alice.pk}/{uuid4()}.png")


class TestComparison:
    def test_finds_nothing_where_nothing_is_wrong(
        self, alice: Any, upload: Store, announce: Announce, now: datetime
    ) -> None:
        first, _, _ = upload(), upload(), announce()
        sent = announce()
        put(sent.url, PNG, sent.headers)  # and not completed yet
        services.delete_asset(asset_id=str(first.pk), user_id=alice.pk, now=now)
        assert differences() == []
        output, code = run()
        assert code == 0
        assert output == (
            "2 files and 4 assets compared, 0 files of others left alone; 0 repaired, 0 differences remain.\n"
        )

    def test_leaves_files_of_others_alone(self, r2: R2Client, db: None) -> None:
        keys = [lay("generations/user123/image_001.png"), lay("backups/1.zip")]
        assert differences(is_repair=True) == []
        assert all(r2.file_exists(key) for key in keys)

    def test_walks_along_both(self, upload: Store, r2: R2Client) -> None:
        assets = sorted((upload() for _ in range(5)), key=lambda asset: asset.key)
        Asset.objects.filter(pk=assets[2].pk).update(size_bytes=1)
        StorageAccount.objects.update(used_bytes=4 * len(PNG) + 1, stored_bytes=4 * len(PNG) + 1)
        r2.delete_file(assets[0].key)
        r2.delete_file(assets[4].key)
        assert differences(is_repair=True) == [
            ("missing_object", str(assets[0].pk), True),
            ("wrong_size", str(assets[2].pk), True),
            ("missing_object", str(assets[4].pk), True),
        ]


class TestMissingFile:
    @pytest.fixture(autouse=True)
    def asset(self, upload: Store, r2: R2Client) -> Asset:
        asset, _ = upload(), upload()
        r2.delete_file(asset.key)
        return asset

    def test_is_named(self, asset: Asset) -> None:
        assert differences() == [("missing_object", str(asset.pk), False)]
        output, code = run()
        assert code == 1
        assert output.startswith(f"differs: missing_object {asset.pk} of {asset.user_id}: nothing lies under")

    def test_ends_the_asset_when_repaired(self, asset: Asset, usage: Callable[..., Any], now: datetime) -> None:
        assert differences(is_repair=True) == [("missing_object", str(asset.pk), True)]
        found = usage(now)
        assert (found.stored_bytes, found.objects) == (len(PNG), 1)
        assert differences() == []

    def test_may_be_an_empty_one(self, asset: Asset, r2: R2Client, now: datetime) -> None:
        lay(asset.key, b"")
        assert differences(is_repair=True) == [("missing_object", str(asset.pk), True)]
        assert differences() == []
        services.sweep(now=now + timedelta(days=1))
        assert not r2.file_exists(asset.key)

    def test_of_many_are_left_to_a_person(self, upload: Store, asset: Asset, r2: R2Client) -> None:
        more = [upload() for _ in range(2)]
        for one in more:
            r2.delete_file(one.key)
        lost = sorted([asset, *more], key=lambda asset: asset.key)
        assert differences(is_repair=True, limit=2) == [("missing_object", str(one.pk), False) for one in lost]
        assert Asset.objects.filter(status="stored").count() == 4
        assert differences(is_repair=True, limit=3) == [("missing_object", str(one.pk), True) for one in lost]


class TestAnotherBucket:
    """Whoever points the product at another bucket, or an empty one, loses nothing by it."""

    @pytest.fixture
    def assets(self, upload: Store, r2: R2Client) -> list[Asset]:
        """Stored assets whose files lie elsewhere."""
        assets = [upload(), upload()]
        for asset in assets:
            r2.delete_file(asset.key)
        return assets

    def test_is_refused_by_name_when_it_is_empty(self, assets: list[Asset]) -> None:
        with pytest.raises(CommandError, match=r"smartspec-media holds .* no asset: there are 2 stored assets, and 0"):
            run("--repair")
        assert Asset.objects.filter(status="stored").count() == 2

    def test_is_refused_when_all_of_its_files_are_anothers(
        self, assets: list[Asset], orphan: str, r2: R2Client
    ) -> None:
        for arguments in (
            {"is_repair": True},
            {"is_repair": True, "limit": 9},
            {"is_repair": True, "is_all_lost": True},
        ):
            with pytest.raises(services.NothingInCommon):
                differences(**arguments)
        assert Asset.objects.filter(status="stored").count() == 2
        assert r2.file_exists(orphan)

    def test_is_compared_without_repair(self, assets: list[Asset], orphan: str) -> None:
        assert sorted(kind for kind, _, _ in differences()) == ["missing_object", "missing_object", "orphan_object"]

    def test_may_be_said_to_be_the_right_one_that_lost_everything(self, assets: list[Asset]) -> None:
        assert run("--repair", "--all-lost")[1] == 0
        assert not Asset.objects.filter(status="stored").exists()

    def test_is_none_where_nothing_is_stored(self, announce: Announce) -> None:
        announce()
        assert differences(is_repair=True) == []

    def test_ends_nothing_by_night_and_is_told_to_operators(self, assets: list[Asset]) -> None:
        tasks.reconcile(0)
        assert Asset.objects.filter(status="stored").count() == 2
        told = watching.media_reconciled(clock.now())
        assert (told.holds, "Is it the right bucket" in told.detail) == (False, True)


class TestOrphan:
    def test_is_named_and_deleted_when_repaired(self, orphan: str, upload: Store, r2: R2Client) -> None:
        upload()
        assert differences() == [("orphan_object", orphan, False)]
        assert run()[1] == 1
        assert run("--repair")[1] == 0
        assert not r2.file_exists(orphan)
        assert run()[1] == 0

    def test_may_be_a_deleted_file_that_came_back_after_the_sweep(
        self, alice: Any, upload: Store, r2: R2Client, now: datetime
    ) -> None:
        asset = upload()
        services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now + 2 * HOUR)
        lay(asset.key)
        assert differences(is_repair=True) == [("orphan_object", asset.key, True)]
        assert not r2.file_exists(asset.key)

    def test_is_never_deleted_for_a_table_that_lost_everything(self, orphan: str, r2: R2Client) -> None:
        with pytest.raises(CommandError, match="the right database"):
            run("--repair")  # somebody goes on after a restore that failed
        assert r2.file_exists(orphan)

    def test_of_many_are_left_to_a_person(self, alice: Any, upload: Store, r2: R2Client) -> None:
        upload()
        keys = sorted(lay(f"generations/{alice.pk}/{uuid4()}.png") for _ in range(3))
        assert differences(is_repair=True, limit=2) == [("orphan_object", key, False) for key in keys]
        assert all(r2.file_exists(key) for key in keys)
        assert differences(is_repair=True, limit=3) == [("orphan_object", key, True) for key in keys]
        assert not any(r2.file_exists(key) for key in keys)


class TestWrongSize:
    def test_is_named_and_taken_over_when_repaired(
        self, upload: Store, r2: R2Client, usage: Callable[..., Any], now: datetime
    ) -> None:
        asset = upload()
        lay(asset.key, PNG * 3)
        assert differences() == [("wrong_size", str(asset.pk), False)]
        assert differences(is_repair=True) == [("wrong_size", str(asset.pk), True)]
        found = usage(now)
        assert (found.used_bytes, found.stored_bytes) == (3 * len(PNG), 3 * len(PNG))
        assert differences() == []
        # Two hours at the old size, and from then on at the real one.
        services.bill_storage(now=datetime(2026, 3, 11, 0, 11, tzinfo=UTC))
        assert StorageDay.objects.get().byte_seconds == len(PNG) * (2 + 3 * 10) * 3600


class TestWrongCounters:
    def test_are_named_and_counted_anew_when_repaired(self, upload: Store, alice: Any) -> None:
        upload(), upload(), upload(kind="other", content_type="text/plain")
        StorageAccount.objects.update(used_bytes=5, stored_bytes=4)
        AssetCount.objects.filter(kind="image").update(assets=7)
        assert differences() == [("wrong_counters", str(alice.pk), False)]
        assert differences(is_repair=True) == [("wrong_counters", str(alice.pk), True)]
        assert_counters(StorageAccount.objects.get())
        assert differences() == []

    def test_are_counted_anew_before_anything_is_reckoned_from_them(
        self, upload: Store, alice: Any, r2: R2Client
    ) -> None:
        lost, _ = upload(), upload()
        r2.delete_file(lost.key)
        StorageAccount.objects.update(stored_bytes=0)
        assert differences(is_repair=True) == [
            ("wrong_counters", str(alice.pk), True),
            ("missing_object", str(lost.pk), True),
        ]
        assert differences() == []


class TestWhatCannotBePutRight:
    def test_keeps_nothing_else_waiting_and_is_told(
        self, alice: Any, upload: Store, r2: R2Client, settings: Any
    ) -> None:
        upload()
        first, second = sorted(lay(f"generations/{alice.pk}/{uuid4()}.png") for _ in range(2))
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.keep"
        outage.kept_keys.add(first)
        output, code = run("--repair")
        assert (code, f"differs: orphan_object {first}" in output, r2.file_exists(second)) == (1, True, False)
        outage.kept_keys.clear()
        assert differences(is_repair=True) == [("orphan_object", first, True)]

    def test_waits_for_a_bucket_that_cannot_be_reached(self, upload: Store, orphan: str, settings: Any) -> None:
        upload()
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.refuse_deletions"
        with pytest.raises(StorageUnavailable):
            differences(is_repair=True)


class TestOperators:
    def test_are_told_what_the_night_left(self, alice: Any, upload: Store, r2: R2Client) -> None:
        upload()
        keys = [lay(f"generations/{alice.pk}/{uuid4()}.png") for _ in range(tasks.REPAIRED_A_NIGHT + 1)]
        tasks.reconcile(0)
        told = watching.media_reconciled(clock.now())
        assert (told.holds, "0 differences put right, 101 remain" in told.detail) == (False, True)
        assert all(r2.file_exists(key) for key in keys)
        assert run("--repair")[1] == 0
        assert watching.media_reconciled(clock.now()).holds

    def test_are_told_when_nobody_compared(self, upload: Store) -> None:
        upload()
        tasks.reconcile(0)
        assert watching.media_reconciled(clock.now() + timedelta(days=1)).holds
        assert not watching.media_reconciled(clock.now() + timedelta(days=3)).holds


class TestCommand:
    def test_speaks_json(self, orphan: str) -> None:
        output, code = run("--json")
        told = json.loads(output)
        assert code == 1
        assert (told["objects"], told["remaining"], told["kinds"]) == (1, 1, {"orphan_object": 1})
        assert told["differences"] == [
            {
                "kind": "orphan_object",
                "object_id": orphan,
                "user_id": None,
                "detail": f"{len(PNG)} bytes belong to no asset",
                "repaired": False,
            }
        ]

    def test_says_when_the_bucket_cannot_be_read(self, settings: Any, db: None) -> None:
        settings.R2_SANDBOX_TRANSPORT = "media.tests.outage.refuse"
        with pytest.raises(CommandError, match="cannot be reached"):
            run()
