"""What the credits API takes and gives. Credits are JSON numbers exact to 6 places, times are UTC with `Z`."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.models import EntryType, Hold, Plan
from smartspec.api import CreditsField, ProblemSerializer, StrictIntegerField, UtcDateTimeField

PAGE_LIMIT = 100
LARGEST_PAGE = 10**12
LARGEST_DAYS = 365
LONGEST_HOLD_SECONDS = 24 * 3600
BATCH_LIMIT = 100
FIRST_YEAR, LAST_YEAR = 1970, 9998  # so that a day more is a time, too
SMALLEST_CREDITS = Decimal("0.000001")
ALL_TYPES = "all"


# --- Questions ----------------------------------------------------------------------------------------------------


@extend_schema_field(OpenApiTypes.STR)
class MomentField(UtcDateTimeField):
    """A moment in ISO 8601 with its offset, or a day `YYYY-MM-DD`: its start, with `is_end` the start of the next."""

    default_error_messages = {  # noqa: RUF012 - as the framework declares it
        "invalid": "Give a day as YYYY-MM-DD or a moment as YYYY-MM-DDThh:mm:ssZ.",
        "out_of_range": f"Give a time in the years {FIRST_YEAR} to {LAST_YEAR}.",
    }

    def __init__(self, *, is_end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.is_end = is_end

    def to_internal_value(self, value: Any) -> datetime:
        try:
            day = date.fromisoformat(value) if len(value) == len("YYYY-MM-DD") else None
        except ValueError:
            self.fail("invalid")
        moment = super().to_internal_value(value) if day is None else datetime.combine(day, time(), tzinfo=UTC)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            self.fail("out_of_range")
        return moment + timedelta(days=1) if day is not None and self.is_end else moment


class BalanceQuerySerializer(serializers.Serializer[Any]):
    at = MomentField(required=False, help_text="The balance as it was at this moment.")


class PeriodQuerySerializer(serializers.Serializer[Any]):
    date_from = MomentField(required=False, help_text="A day (from its start, UTC) or a moment.")
    date_to = MomentField(required=False, is_end=True, help_text="A day (to its end, UTC) or a moment (exclusive).")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        begins, ends = attrs.get("date_from"), attrs.get("date_to")
        if begins is not None and ends is not None and ends <= begins:
            raise serializers.ValidationError(
                {"date_to": serializers.ErrorDetail("date_to must come after date_from.", code="ends_before_it_begins")}
            )
        return attrs


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


class DaysQuerySerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField(required=False, default=30, min_value=1, max_value=LARGEST_DAYS)


class HoldsQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=[ALL_TYPES, *Hold.Status.values], required=False, default=Hold.Status.OPEN)

    def validate_status(self, value: str) -> str | None:
        return None if value == ALL_TYPES else value


# --- Orders -------------------------------------------------------------------------------------------------------


class SecondsField(CreditsField):
    """A number of seconds, perhaps with a fraction: exact, and neither text nor true."""


class JobSerializer(serializers.Serializer[Any]):
    """A job. Which operations and qualities there are, and what an operation needs, the price list knows."""

    operation = serializers.CharField(max_length=40)
    model_id = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=200)
    quality = serializers.CharField(required=False, allow_null=True, max_length=40)
    duration_seconds = SecondsField(required=False, allow_null=True)
    quantity = StrictIntegerField(required=False, allow_null=True, help_text="1 unless given.")


class HoldOrderSerializer(JobSerializer):
    user_id = serializers.UUIDField(help_text="Whose credits.")
    reference_id = serializers.CharField(max_length=255, help_text="The job, in the worker's own words.")
    ttl_seconds = StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=LONGEST_HOLD_SECONDS, help_text="900 unless given."
    )


class CaptureOrderSerializer(serializers.Serializer[Any]):
    credits = CreditsField(required=False, allow_null=True, min_value=SMALLEST_CREDITS)


class ReleaseOrderSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500)


class ExtendOrderSerializer(serializers.Serializer[Any]):
    ttl_seconds = StrictIntegerField(min_value=1, max_value=LONGEST_HOLD_SECONDS, help_text="From now.")


@extend_schema_field(HoldOrderSerializer(many=True))
class HoldOrdersField(serializers.ListField):
    """Orders that are read one by one, so that a malformed one spoils no other."""


class HoldBatchSerializer(serializers.Serializer[Any]):
    holds = HoldOrdersField(allow_empty=False, max_length=BATCH_LIMIT)


class BatchCaptureOrderSerializer(CaptureOrderSerializer):
    id = serializers.CharField(max_length=100)


@extend_schema_field(BatchCaptureOrderSerializer(many=True))
class CaptureOrdersField(serializers.ListField):
    """Orders that are read one by one, so that a malformed one spoils no other."""


class CaptureBatchSerializer(serializers.Serializer[Any]):
    captures = CaptureOrdersField(allow_empty=False, max_length=BATCH_LIMIT)


class RefundOrderSerializer(serializers.Serializer[Any]):
    credits = CreditsField(required=False, allow_null=True, min_value=SMALLEST_CREDITS)
    reason = serializers.CharField(max_length=500)


# --- Answers ------------------------------------------------------------------------------------------------------


class ExpiringSerializer(serializers.Serializer[Any]):
    credits = CreditsField()
    expires_at = UtcDateTimeField()


class BalanceSerializer(serializers.Serializer[Any]):
    """Always: available = total - used - reserved."""

    total_credits = CreditsField(source="total")
    used_credits = CreditsField(source="used", help_text="In this allowance period, less refunded captures.")
    reserved_credits = CreditsField(source="held", help_text="Held for jobs that run now.")
    available_credits = CreditsField(source="available")
    subscription_tier = serializers.CharField(source="plan")
    monthly_allowance = CreditsField()
    allowance_period_start = UtcDateTimeField(source="period_start")
    allowance_resets_at = UtcDateTimeField(source="period_end")
    debt_credits = CreditsField(
        source="debt", help_text="What a clawback could not find; the next credits pay it first."
    )
    low_balance = serializers.BooleanField(help_text="Less than 20 % of the allowance is available.")
    expires_soon = ExpiringSerializer(many=True, help_text="What ends within 7 days, the allowance aside.")


class PastBalanceSerializer(serializers.Serializer[Any]):
    at = UtcDateTimeField()
    balance_credits = CreditsField()


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
    affordable = serializers.BooleanField()
    available_credits = CreditsField(source="available")


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


@extend_schema_field(ProblemSerializer(allow_null=True))
class ProblemField(serializers.DictField):
    """A problem as the single call would have answered it, with the numbers that belong to it."""


class PlacedResultSerializer(serializers.Serializer[Any]):
    """The outcome of one hold of a batch: the status of the single call, and its hold or its problem."""

    status = serializers.IntegerField()
    hold = PlacedHoldSerializer(allow_null=True)
    error = ProblemField(allow_null=True)


class PlacedBatchSerializer(serializers.Serializer[Any]):
    results = PlacedResultSerializer(many=True)


class CapturedResultSerializer(serializers.Serializer[Any]):
    """The outcome of one capture of a batch: the status of the single call, and its hold or its problem."""

    status = serializers.IntegerField()
    hold = CapturedHoldSerializer(allow_null=True)
    error = ProblemField(allow_null=True)


class CapturedBatchSerializer(serializers.Serializer[Any]):
    results = CapturedResultSerializer(many=True)
