"""What was spent, and on what."""

from typing import Any

from rest_framework import serializers

from smartspec.api import CreditsField, UtcDateTimeField


class UsageSumSerializer(serializers.Serializer[Any]):
    total_credits = CreditsField(source="credits")
    count = serializers.IntegerField()


class UsageSummarySerializer(serializers.Serializer[Any]):
    summary = serializers.DictField(child=UsageSumSerializer(), help_text="By operation.")
    period_start = UtcDateTimeField()
    period_end = UtcDateTimeField()


class UsageDaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    credits = CreditsField()
    count = serializers.IntegerField()


class UsageDaysSerializer(serializers.Serializer[Any]):
    data = UsageDaySerializer(many=True)  # type: ignore[assignment]
    days = serializers.IntegerField()


class UsageModelSerializer(serializers.Serializer[Any]):
    model_id = serializers.CharField(help_text="Empty: jobs that named no model.")
    total_credits = CreditsField(source="credits")
    count = serializers.IntegerField()


class UsageModelsSerializer(serializers.Serializer[Any]):
    data = UsageModelSerializer(many=True)  # type: ignore[assignment]
    days = serializers.IntegerField()
