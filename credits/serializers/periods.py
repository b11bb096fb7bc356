"""Spans of time: moments, days, and how many of them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from smartspec.api import UtcDateTimeField

LARGEST_DAYS = 365
FIRST_YEAR, LAST_YEAR = 1970, 9998  # so that a day more is a time, too


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


class DaysQuerySerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField(required=False, default=30, min_value=1, max_value=LARGEST_DAYS)
