"""Up to a hundred holds or captures, each with its own outcome."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.serializers.holds import (
    CapturedHoldSerializer,
    CaptureOrderSerializer,
    HoldOrderSerializer,
    PlacedHoldSerializer,
)
from smartspec.api import ProblemSerializer, StrictCharField

BATCH_LIMIT = 100


@extend_schema_field(HoldOrderSerializer(many=True))
class HoldOrdersField(serializers.ListField):
    """Orders that are read one by one, so that a malformed one spoils no other."""


class HoldBatchSerializer(serializers.Serializer[Any]):
    holds = HoldOrdersField(allow_empty=False, max_length=BATCH_LIMIT)


class BatchCaptureOrderSerializer(CaptureOrderSerializer):
    id = StrictCharField(max_length=100)


@extend_schema_field(BatchCaptureOrderSerializer(many=True))
class CaptureOrdersField(serializers.ListField):
    """Orders that are read one by one, so that a malformed one spoils no other."""


class CaptureBatchSerializer(serializers.Serializer[Any]):
    captures = CaptureOrdersField(allow_empty=False, max_length=BATCH_LIMIT)


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
