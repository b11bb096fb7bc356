"""Holds: what a worker orders, and what it gets."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.models import Hold
from credits.serializers.catalogue import JobSerializer
from credits.serializers.transactions import EntrySerializer
from credits.services.holds.lifetime import MAXIMUM_TTL_SECONDS
from smartspec.api import CreditsField, StrictCharField, StrictIntegerField, StrictUUIDField, UtcDateTimeField

SMALLEST_CREDITS = Decimal("0.000001")
ALL_STATUSES = "all"


class HoldsQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        choices=[ALL_STATUSES, *Hold.Status.values], required=False, default=Hold.Status.OPEN
    )

    def validate_status(self, value: str) -> str | None:
        return None if value == ALL_STATUSES else value


class HoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    operation = serializers.CharField()
    model_id = serializers.CharField()
    credits = CreditsField()
    status = serializers.SerializerMethodField()
    reference_id = serializers.CharField()
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField()

    @extend_schema_field(serializers.ChoiceField(choices=Hold.Status.values))
    def get_status(self, hold: Hold) -> str:
        is_late = hold.status == Hold.Status.OPEN and hold.expires_at <= self.context["now"]
        return Hold.Status.EXPIRED.value if is_late else hold.status


class HoldListSerializer(serializers.Serializer[Any]):
    holds = HoldSerializer(many=True)


class HoldOrderSerializer(JobSerializer):
    user_id = StrictUUIDField(help_text="Whose credits.")
    reference_id = StrictCharField(max_length=255, help_text="The job, in the worker's own words.")
    ttl_seconds = StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAXIMUM_TTL_SECONDS, help_text="900 unless given."
    )


class CaptureOrderSerializer(serializers.Serializer[Any]):
    credits = CreditsField(required=False, allow_null=True, min_value=SMALLEST_CREDITS)


class ReleaseOrderSerializer(serializers.Serializer[Any]):
    reason = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=500)


class ExtendOrderSerializer(serializers.Serializer[Any]):
    ttl_seconds = StrictIntegerField(min_value=1, max_value=MAXIMUM_TTL_SECONDS, help_text="From now.")


class RefundOrderSerializer(serializers.Serializer[Any]):
    credits = CreditsField(required=False, allow_null=True, min_value=SMALLEST_CREDITS)
    reason = StrictCharField(max_length=500)


class PlacedHoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    credits = CreditsField()
    status = serializers.CharField()
    priority = serializers.ChoiceField(choices=["normal", "high"])
    expires_at = UtcDateTimeField()
    available_credits = CreditsField(source="available")


class CapturedHoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.CharField()
    transaction = EntrySerializer()


class ReleasedHoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.CharField()


class ExtendedHoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    expires_at = UtcDateTimeField()


class RefundedHoldSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    transaction = EntrySerializer()
