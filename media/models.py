"""Generated files and what they occupy. Fields and constraints alone: `services` are the only writers."""

import uuid
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from media import kinds

ZERO = Decimal(0)


class CreditsField(models.DecimalField):
    """Credits: exact decimals with 6 places, as in the ledger."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **({"max_digits": 20, "decimal_places": 6} | kwargs))


class StorageAccount(models.Model):
    """What one user's files occupy and owe. Its row is the one lock of everything that changes either."""

    class Step(models.TextChoices):
        """How far the ladder of an unpaid account was climbed."""

        NONE = "none"
        WARNED = "warned"
        UPLOADS_STOPPED = "uploads_stopped"
        FILES_DELETED = "files_deleted"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        db_column="account_id",
        on_delete=models.PROTECT,
        related_name="storage_account",
    )
    asset_count = models.BigIntegerField(default=0, help_text="number of the newest asset")
    used_bytes = models.BigIntegerField(
        default=0, help_text="in the quota: stored, announced, and gone but not yet swept"
    )
    stored_bytes = models.BigIntegerField(default=0, help_text="complete, in the bucket, and charged")
    metered_at = models.DateTimeField(help_text="byte-seconds are counted up to here")
    day_byte_seconds = models.DecimalField(
        max_digits=32, decimal_places=6, default=ZERO, help_text="of the day of metered_at, up to there"
    )
    billed_until = models.DateField(help_text="every day before it is billed")
    carried = models.DecimalField(
        max_digits=24, decimal_places=12, default=ZERO, help_text="byte-seconds times rate, not charged yet"
    )
    billed_credits = CreditsField(default=ZERO)
    paid_credits = CreditsField(default=ZERO)
    unpaid_since = models.DateTimeField(null=True, help_text="the first charge that was not paid in full")
    step = models.CharField(max_length=20, choices=Step.choices, default=Step.NONE)

    user_id: UUID

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(stored_bytes__gte=0, used_bytes__gte=F("stored_bytes")),
                name="media_storageaccount_stored_is_used",
            ),
            models.CheckConstraint(condition=Q(asset_count__gte=0), name="media_storageaccount_count_not_negative"),
            models.CheckConstraint(
                condition=Q(carried__gte=0, day_byte_seconds__gte=0), name="media_storageaccount_meter_not_negative"
            ),
            models.CheckConstraint(condition=Q(paid_credits__gte=0), name="media_storageaccount_paid_not_negative"),
            models.CheckConstraint(
                condition=Q(paid_credits=F("billed_credits"), unpaid_since__isnull=True, step="none")
                | Q(paid_credits__lt=F("billed_credits"), unpaid_since__isnull=False)
                & Q(step__in=["warned", "uploads_stopped", "files_deleted"]),
                name="media_storageaccount_ladder_while_unpaid",
            ),
        )
        indexes = (
            models.Index(
                fields=["unpaid_since"], condition=Q(unpaid_since__isnull=False), name="media_storageaccount_unpaid"
            ),
        )

    def __str__(self) -> str:
        return f"storage of {self.user_id}"

    @property
    def arrears_credits(self) -> Decimal:
        """What was billed and could not be paid yet."""
        return self.billed_credits - self.paid_credits


class Asset(models.Model):
    """One file: announced, uploaded straight to the bucket, looked at there, and one day gone."""

    class Status(models.TextChoices):
        UPLOADING = "uploading"
        STORED = "stored"
        DELETED = "deleted"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="assets")
    number = models.BigIntegerField(help_text="1, 2, 3… in the account, as they were announced")
    kind = models.CharField(max_length=10, choices=kinds.Kind.choices)
    content_type = models.CharField(max_length=100)
    filename = models.CharField(max_length=255, help_text="what its owner calls it; never part of the key")
    # Ordered as the bucket lists its keys, so that the two are compared by walking along both.
    key = models.CharField(max_length=200, unique=True, db_collation="C", help_text="in the bucket")
    size_bytes = models.BigIntegerField()
    reference_id = models.CharField(max_length=255, blank=True, help_text="the job, in the worker's own words")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.UPLOADING)
    created_at = models.DateTimeField()
    upload_expires_at = models.DateTimeField(help_text="until then, its upload URL lets anybody write to the key")
    stored_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="deleted, or given up as an unfinished upload")
    cleaned_at = models.DateTimeField(null=True, help_text="gone from the bucket for good, and out of the quota")

    user_id: UUID

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "number"], name="media_asset_numbered_in_its_account"),
            models.CheckConstraint(condition=Q(size_bytes__gt=0), name="media_asset_size_positive"),
            models.CheckConstraint(condition=Q(kind__in=kinds.Kind.values), name="media_asset_known_kind"),
            models.CheckConstraint(
                condition=Q(status="uploading", stored_at__isnull=True, ended_at__isnull=True)
                | Q(status="stored", stored_at__isnull=False, ended_at__isnull=True)
                | Q(status="deleted", ended_at__isnull=False)
                | Q(status="expired", stored_at__isnull=True, ended_at__isnull=False),
                name="media_asset_status_fits_its_times",
            ),
            models.CheckConstraint(
                condition=Q(cleaned_at__isnull=True) | Q(ended_at__isnull=False),
                name="media_asset_cleaned_after_its_end",
            ),
        )
        indexes = (
            models.Index(fields=["user", "number"], condition=Q(status="stored"), name="media_asset_list"),
            models.Index(
                fields=["user", "kind", "number"], condition=Q(status="stored"), name="media_asset_list_by_kind"
            ),
            models.Index(
                fields=["upload_expires_at"],
                condition=Q(cleaned_at__isnull=True) & ~Q(status="stored"),
                name="media_asset_to_sweep",
            ),
            models.Index(fields=["cleaned_at"], condition=Q(cleaned_at__isnull=False), name="media_asset_to_forget"),
            models.Index(fields=["reference_id"], name="media_asset_by_reference"),
        )

    def __str__(self) -> str:
        return self.key


class AssetCount(models.Model):
    """How many stored assets lie in a block of an account's numbers: so that a page far back is found by counting
    blocks, and a total without counting assets."""

    pk = models.CompositePrimaryKey("user_id", "kind", "block")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=kinds.Kind.choices)
    block = models.BigIntegerField(help_text="number divided by 500")
    assets = models.IntegerField()

    user_id: UUID

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(assets__gte=0), name="media_assetcount_not_negative"),)

    def __str__(self) -> str:
        return f"{self.kind} block {self.block} of {self.user_id}"


class StorageDay(models.Model):
    """What a user's files occupied on a day (UTC) that is over, and what it cost."""

    pk = models.CompositePrimaryKey("user_id", "day_date")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="storage_days"
    )
    day_date = models.DateField()
    byte_seconds = models.DecimalField(max_digits=32, decimal_places=6)
    credits = CreditsField(null=True, help_text="empty until it is billed")
    paid_credits = CreditsField(default=ZERO, help_text="on the day it was billed; the rest became arrears")
    billed_at = models.DateTimeField(null=True)

    user_id: UUID

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(byte_seconds__gte=0), name="media_storageday_byte_seconds_not_negative"),
            models.CheckConstraint(
                condition=Q(credits__isnull=True, billed_at__isnull=True, paid_credits=0)
                # A comparison with nothing is no refusal, so each branch says whether there is something.
                | Q(credits__isnull=False, billed_at__isnull=False)
                & Q(credits__gte=0, paid_credits__gte=0, paid_credits__lte=F("credits")),
                name="media_storageday_paid_of_what_was_billed",
            ),
        )
        indexes = (
            models.Index(
                fields=["user", "day_date"], condition=Q(billed_at__isnull=True), name="media_storageday_to_bill"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day_date} of {self.user_id}"


class StorageEvent(models.Model):
    """A step of the ladder of an unpaid account, or its end, on record."""

    class Kind(models.TextChoices):
        WARNED = "warned"
        UPLOADS_STOPPED = "uploads_stopped"
        FILES_DELETED = "files_deleted"
        PAID = "paid"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="storage_events")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    unpaid_since = models.DateTimeField()
    arrears_credits = CreditsField()
    happened_at = models.DateTimeField()

    user_id: UUID

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "unpaid_since", "kind"], name="media_storageevent_once_per_cause"),
            models.CheckConstraint(condition=Q(arrears_credits__gte=0), name="media_storageevent_arrears_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"
