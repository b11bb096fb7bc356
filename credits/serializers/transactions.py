"""The history of an account: which lines are asked for, and how a line is shown."""

from typing import Any

from rest_framework import serializers

from credits.models import EntryType
from credits.serializers.periods import PeriodQuerySerializer
from smartspec.api import CreditsField, UtcDateTimeField

PAGE_LIMIT = 100
LARGEST_PAGE = 10**12
ALL_TYPES = "all"


class EntryQuerySerializer(PeriodQuerySerializer):
    """Which transactions: the filters that the list and the export share."""

    type = serializers.ChoiceField(choices=[ALL_TYPES, *EntryType.values], required=False, default=ALL_TYPES)
    search = serializers.CharField(
        required=False,
        max_length=200,
        help_text="The start of an id, a reference or a model, or whole words of the description.",
    )

    def validate_type(self, value: str) -> str | None:
        return None if value == ALL_TYPES else value


class EntryPageQuerySerializer(EntryQuerySerializer):
    page = serializers.IntegerField(required=False, default=1, min_value=1, max_value=LARGEST_PAGE)
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=PAGE_LIMIT)
    cursor = serializers.RegexField(
        r"^[0-9]{1,18}\Z", required=False, help_text="`next_cursor` of the page before, instead of `page`."
    )


class ExportQuerySerializer(EntryQuerySerializer):
    format = serializers.ChoiceField(choices=["csv", "json"], required=False, default="csv")


class EntrySerializer(serializers.Serializer[Any]):
    """One immutable line that changed the balance."""

    id = serializers.CharField(source="public_id")
    transaction_type = serializers.ChoiceField(choices=EntryType.values, source="entry_type")
    amount = CreditsField(source="delta_credits", help_text="Signed.")
    balance_before = CreditsField()
    balance_after = CreditsField()
    reference_type = serializers.CharField()
    reference_id = serializers.CharField()
    description = serializers.CharField()
    model_id = serializers.CharField()
    created_at = UtcDateTimeField()


class EntryPageSerializer(serializers.Serializer[Any]):
    transactions = EntrySerializer(many=True)
    total = serializers.IntegerField(help_text="Exact; at most 10,000 with `search`.")
    pages = serializers.IntegerField()
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    next_cursor = serializers.CharField(allow_null=True)


class EntrySumSerializer(serializers.Serializer[Any]):
    total = CreditsField(help_text="Signed.")
    count = serializers.IntegerField()


class EntrySummarySerializer(serializers.Serializer[Any]):
    summary = serializers.DictField(child=EntrySumSerializer(), help_text="By type of transaction.")
    period_start = UtcDateTimeField()
    period_end = UtcDateTimeField()
