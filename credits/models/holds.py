"""Holds: credits reserved for a job."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from credits import ids
from credits.models.accounts import Account
from credits.models.fields import ZERO, CreditsField


class Hold(models.Model):
    """Credits reserved for a job, with the receipt of which lots gave what."""

    class Status(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"
        EXPIRED = "expired"

    pk = models.CompositePrimaryKey("account_id", "number")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="holds"
    )
    number = models.BigIntegerField()
    operation = models.CharField(max_length=40)
    model_id = models.CharField(max_length=200, blank=True)
    parameters = models.JSONField(null=True, help_text="quality, duration_seconds, quantity, where given")
    credits = CreditsField()
    captured = CreditsField(default=ZERO)
    refunded = CreditsField(default=ZERO, help_text="of what was captured")
    repaid = CreditsField(default=ZERO, help_text="of what came back: what paid off debt")
    refund_repaid = CreditsField(null=True, help_text="of repaid: what the refund paid off")
    status = models.CharField(max_length=10, choices=Status.choices)
    high_priority = models.BooleanField(default=False)
    lot_numbers = ArrayField(models.BigIntegerField())
    lot_credits = ArrayField(CreditsField())
    reference_id = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True)
    fingerprint = models.UUIDField(null=True, help_text="digest of what was asked for, for replays")
    available_after = CreditsField()
    capture_entry = models.BigIntegerField(null=True)
    refund_entry = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    first_expires_at = models.DateTimeField(null=True, help_text="its end before it was extended")
    ended_at = models.DateTimeField(null=True, help_text="when it was released or expired; a capture's entry says when")

    account_id: UUID

    class Meta:
        permissions = (("release_hold", "Can end an open hold with nothing spent"),)
        constraints = (
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="credits_hold_one_per_key",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "captured", "released", "expired"]), name="credits_hold_known_status"
            ),
            models.CheckConstraint(condition=Q(credits__gt=0), name="credits_hold_credits_positive"),
            models.CheckConstraint(
                condition=Q(captured__gte=0, captured__lte=F("credits")), name="credits_hold_captured_in_range"
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("captured")), name="credits_hold_refunded_in_range"
            ),
            models.CheckConstraint(
                condition=Q(status="captured", captured__gt=0, capture_entry__isnull=False)
                | (~Q(status="captured") & Q(captured=0, capture_entry__isnull=True)),
                name="credits_hold_captured_by_one_entry",
            ),
            models.CheckConstraint(
                condition=Q(refunded=0, refund_entry__isnull=True) | Q(refunded__gt=0, refund_entry__isnull=False),
                name="credits_hold_refunded_by_one_entry",
            ),
            models.CheckConstraint(
                condition=Q(repaid__gte=0, repaid__lte=F("credits") - F("captured") + F("refunded")),
                name="credits_hold_repaid_from_what_came_back",
            ),
            models.CheckConstraint(
                condition=Q(refund_repaid__isnull=True)
                | Q(refund_repaid__gte=0, refund_repaid__lte=F("repaid"), refund_entry__isnull=False),
                name="credits_hold_refund_repaid_in_range",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gte=F("created_at")), name="credits_hold_expires_after_creation"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["released", "expired"], ended_at__isnull=False)
                | (~Q(status__in=["released", "expired"]) & Q(ended_at__isnull=True)),
                name="credits_hold_ended_at_a_time",
            ),
        )
        indexes = (
            models.Index(fields=["account", "expires_at"], condition=Q(status="open"), name="credits_hold_open"),
            # For the last days of all accounts together. Holds lie in the order in which they were placed, so that a
            # summary of every few pages is enough; it costs a new hold next to nothing.
            BrinIndex(fields=["created_at"], autosummarize=True, name="credits_hold_by_time"),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.hold_id(self.account_id, self.number)
