"""What support sees of a person's files, and what of them leaves with the person."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media import backoffice, personal_data, services, watching
from media.models import Asset, StorageDay
from media.storage import R2Client
from media.tests.conftest import GIGABYTE, Store

pytestmark = pytest.mark.django_db

ELEVENTH = datetime(2026, 3, 11, 0, 11, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def unpaid(store: Store, on_plan: Callable[..., None]) -> Asset:
    """A file of Alice's of 3 GB, unpaid since the 11th."""
    on_plan("pro")
    asset = store(3 * GIGABYTE, filename="film.mp4", kind="video", content_type="video/mp4")
    services.bill_storage(now=ELEVENTH)
    return asset


class TestPage:
    def test_shows_what_files_occupy_and_what_is_owed(self, alice: Any, bob: Any, unpaid: Asset) -> None:
        (panel,) = backoffice.files(alice, ELEVENTH)
        assert "1 files" in panel.rows[0][0]
        assert panel.rows[0][1:5] == ("3,000.0 MB of 5,000.0 MB", "0.03", "0.0005", "2026-03-11")
        (panel,) = backoffice.files(bob, ELEVENTH)
        assert panel.rows[0][1:] == ("0.0 MB of 100.0 MB", "0", "0", "–", "paid")

    def test_tells_the_steps_of_unpaid_storage(self, alice: Any, unpaid: Asset) -> None:
        (line,) = backoffice.storage(alice, ELEVENTH, 10)
        assert (line.at, line.title) == (ELEVENTH, "Storage: warned")
        assert list(backoffice.storage(alice, ELEVENTH - DAY, 10)) == []

    def test_counts_unpaid_accounts_on_the_home_page(self, unpaid: Asset, admin_client: Any) -> None:
        (task,) = backoffice.unpaid(ELEVENTH)
        assert task.count == 1
        assert admin_client.get(task.url).context["cl"].result_count == 1
        assert admin_client.get(f"{task.url[:-3]}uploads_stopped").context["cl"].result_count == 0


class TestPersonalData:
    def test_is_handed_out_whole(self, alice: Any, bob: Any, unpaid: Asset) -> None:
        (file,) = personal_data.files(alice, ELEVENTH)
        assert (file["id"], file["filename"]) == (unpaid.pk, "film.mp4")
        assert len(list(personal_data.storage_days(alice, ELEVENTH))) == 1
        assert [event["kind"] for event in personal_data.storage_events(alice, ELEVENTH)] == ["warned"]
        for export in (personal_data.files, personal_data.storage_days, personal_data.storage_events):
            assert list(export(bob, ELEVENTH)) == []

    def test_is_deleted_with_the_person_as_often_as_asked(
        self, alice: Any, upload: Store, r2: R2Client, now: datetime
    ) -> None:
        asset = upload(filename="my face.png")
        for _ in range(2):
            personal_data.delete_files(alice, now)
        assert not r2.file_exists(asset.key)
        assert not Asset.objects.exclude(filename="").exists()
        assert services.sweep(now=now + DAY).cleaned == 1

    def test_of_who_is_gone_is_mailed_to_nobody(
        self, alice: Any, unpaid: Asset, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        alice.is_active = False
        alice.save()
        with django_capture_on_commit_callbacks(execute=True):
            assert services.climb_ladder(now=ELEVENTH + 8 * DAY) == 1
        assert mailoutbox == []


class TestWatching:
    def test_notices_days_that_nobody_charged(self, unpaid: Asset) -> None:
        assert watching.storage_billed(ELEVENTH + DAY).holds
        late = watching.storage_billed(ELEVENTH + 2 * DAY)
        assert (late.holds, late.detail) == (False, f"days of account {unpaid.user_id} are not charged")
        services.bill_storage(now=ELEVENTH + 2 * DAY)
        assert StorageDay.objects.count() == 3
        assert watching.storage_billed(ELEVENTH + 2 * DAY).holds

    def test_is_not_alarmed_by_whoever_uploads_again_after_a_while(
        self, alice: Any, unpaid: Asset, store: Store, give: Callable[..., None]
    ) -> None:
        later = ELEVENTH + 9 * DAY
        give("1", at=ELEVENTH)
        services.delete_asset(asset_id=str(unpaid.pk), user_id=alice.pk, now=ELEVENTH)
        services.bill_storage(now=ELEVENTH + DAY)
        store(GIGABYTE, at=later)
        assert watching.storage_billed(later).holds
        assert not watching.storage_billed(later + 2 * DAY).holds
        assert services.bill_storage(now=later + 2 * DAY).days == 2
        assert watching.storage_billed(later + 2 * DAY).holds
