"""What the database refuses, whoever writes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from media.models import Asset, AssetCount, StorageAccount, StorageDay, StorageEvent
from media.tests.conftest import Store

pytestmark = pytest.mark.django_db

Write = Callable[[], Any]


def refused(constraint: str, write: Write) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        write()


class TestAsset:
    @pytest.fixture(autouse=True)
    def asset(self, store: Store) -> Asset:
        return store(1000)

    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("media_asset_size_positive", {"size_bytes": 0}),
            ("media_asset_known_kind", {"kind": "picture"}),
            ("media_asset_status_fits_its_times", {"status": "lost"}),
            ("media_asset_status_fits_its_times", {"status": "uploading"}),
            ("media_asset_status_fits_its_times", {"stored_at": None}),
            ("media_asset_status_fits_its_times", {"status": "deleted"}),
            ("media_asset_cleaned_after_its_end", {"cleaned_at": datetime.fromisoformat("2026-03-10T12:00:00Z")}),
        ],
    )
    def test_is_consistent(self, constraint: str, change: dict[str, Any]) -> None:
        refused(constraint, lambda: Asset.objects.update(**change))

    def test_has_a_number_and_a_key_of_its_own(self, asset: Asset, store: Store) -> None:
        other = store(1000)
        refused("media_asset_numbered", lambda: Asset.objects.filter(pk=other.pk).update(number=asset.number))
        refused("media_asset_key", lambda: Asset.objects.filter(pk=other.pk).update(key=asset.key))

    def test_counts_never_fall_below_zero(self) -> None:
        refused("media_assetcount_not_negative", lambda: AssetCount.objects.update(assets=-1))

    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("media_storageaccount_stored_is_used", {"stored_bytes": 1001}),
            ("media_storageaccount_stored_is_used", {"stored_bytes": -1}),
            ("media_storageaccount_count_not_negative", {"asset_count": -1}),
            ("media_storageaccount_meter_not_negative", {"carried": -1}),
            ("media_storageaccount_meter_not_negative", {"day_byte_seconds": -1}),
            ("media_storageaccount_ladder_while_unpaid", {"paid_credits": 1}),
            ("media_storageaccount_paid_not_negative", {"paid_credits": -1, "billed_credits": -1}),
            ("media_storageaccount_ladder_while_unpaid", {"billed_credits": 1}),
            ("media_storageaccount_ladder_while_unpaid", {"step": "warned"}),
        ],
    )
    def test_account_is_consistent(self, constraint: str, change: dict[str, Any]) -> None:
        refused(constraint, lambda: StorageAccount.objects.update(**change))


class TestDay:
    def test_is_paid_of_what_was_billed(self, alice: Any, now: datetime) -> None:
        def day(**fields: Any) -> Write:
            given = {"user": alice, "day_date": now.date(), "byte_seconds": Decimal(1)} | fields
            return lambda: StorageDay.objects.create(**given)

        rule = "media_storageday_paid_of_what_was_billed"
        refused(rule, day(credits=Decimal(1)))
        refused(rule, day(billed_at=now))
        refused(rule, day(paid_credits=Decimal(1)))
        refused(rule, day(credits=Decimal(1), billed_at=now, paid_credits=Decimal(2)))
        refused("media_storageday_byte_seconds_not_negative", day(byte_seconds=Decimal(-1)))
        day()()
        refused("media_storageday_pkey", day())


class TestEvent:
    def test_is_recorded_once_for_a_cause(self, alice: Any, now: datetime) -> None:
        def event(since: datetime) -> Write:
            return lambda: StorageEvent.objects.create(
                user=alice, kind="warned", unpaid_since=since, arrears_credits=Decimal(1), happened_at=now
            )

        event(now)()
        event(now - timedelta(days=1))()
        refused("media_storageevent_once_per_cause", event(now))
