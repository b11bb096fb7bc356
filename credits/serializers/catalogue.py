"""Jobs and what they cost, and the plans."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework import serializers

from credits.models import Plan
from credits.prices import MAXIMUM_QUANTITY
from smartspec.api import CreditsField, StrictCharField, StrictIntegerField, UtcDateTimeField


class SecondsField(CreditsField):
    """A number of seconds, perhaps with a fraction: exact, and neither text nor true."""


class JobSerializer(serializers.Serializer[Any]):
    """A job. Which operations and qualities there are, and what an operation needs, the price list knows."""

    operation = StrictCharField(max_length=40)
    model_id = StrictCharField(required=False, allow_null=True, allow_blank=True, max_length=200)
    quality = StrictCharField(required=False, allow_null=True, max_length=40)
    duration_seconds = SecondsField(required=False, allow_null=True)
    quantity = StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAXIMUM_QUANTITY, help_text="1 unless given."
    )


class MajorUnitsField(CreditsField):
    """Money that the app prints: cents within, major units (29 means $29) without."""

    def to_representation(self, value: int) -> Decimal:  # type: ignore[override]
        return super().to_representation(Decimal(value) / 100)


class PlanSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="slug")
    name = serializers.CharField(source="slug")
    display_name = serializers.CharField()
    description = serializers.CharField()
    price_monthly = MajorUnitsField(source="price_monthly_cents")
    price_yearly = MajorUnitsField(source="price_yearly_cents")
    currency = serializers.SerializerMethodField()
    monthly_credits = CreditsField()
    bonus_credits = serializers.SerializerMethodField()
    max_storage_mb = serializers.IntegerField(help_text="10^6 bytes")
    features = serializers.ListField(child=serializers.CharField())
    is_popular = serializers.BooleanField()

    def get_currency(self, plan: Plan) -> str:
        return str(settings.STRIPE_CURRENCY)

    def get_bonus_credits(self, plan: Plan) -> int:
        return 0  # no plan gives any; the app adds the two up


class PlanListSerializer(serializers.Serializer[Any]):
    plans = PlanSerializer(many=True)


class ModifierSerializer(serializers.Serializer[Any]):
    """What makes a job dearer: by `percent` where `field` equals, or is above, what is named here."""

    label = serializers.CharField()  # type: ignore[assignment]
    field = serializers.CharField()
    equals = serializers.CharField(required=False)
    above = CreditsField(required=False)
    percent = CreditsField()


class RateSerializer(serializers.Serializer[Any]):
    operation = serializers.CharField()
    unit = serializers.CharField()
    base_credits = CreditsField(help_text="For one unit.")
    modifiers = ModifierSerializer(many=True)
    model_id = serializers.CharField(help_text="Empty: every model without a rate of its own.")
    effective_from = UtcDateTimeField()


class RateListSerializer(serializers.Serializer[Any]):
    rates = RateSerializer(many=True)


class PriceLineSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    credits = CreditsField()


class JobQuoteSerializer(serializers.Serializer[Any]):
    credits = CreditsField()
    breakdown = PriceLineSerializer(many=True, help_text="Its lines add up to the price.")
    affordable = serializers.BooleanField(help_text="Enough is available, and the account is not frozen.")
    available_credits = CreditsField(source="available")
