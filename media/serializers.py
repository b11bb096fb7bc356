"""Assets, uploads and usage, as the app and the workers read and write them."""

import unicodedata
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from media import kinds, links
from media.models import Asset
from smartspec.api import CreditsField, StrictCharField, StrictIntegerField, StrictUUIDField, UtcDateTimeField

PAGE_LIMIT = 100
LARGEST_PAGE = 10**12
LARGEST_SIZE_BYTES = 10**15  # a number beyond is no size; what may be stored is decided by the rules
DEFAULT_URL_SECONDS = 3600
SHORTEST_URL_SECONDS, LONGEST_URL_SECONDS = 60, 86_400
ORDER_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # gnp.exe may read exe.png


class AssetsQuerySerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=kinds.Kind.choices, required=False)
    page = serializers.IntegerField(required=False, default=1, min_value=1, max_value=LARGEST_PAGE)
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=PAGE_LIMIT)


class AssetQuerySerializer(serializers.Serializer[Any]):
    expires_in = serializers.IntegerField(
        required=False,
        default=DEFAULT_URL_SECONDS,
        min_value=SHORTEST_URL_SECONDS,
        max_value=LONGEST_URL_SECONDS,
        help_text="How many seconds the URL is good for.",
    )


class UploadOrderSerializer(serializers.Serializer[Any]):
    user_id = StrictUUIDField(required=False, allow_null=True, help_text="Whose file; needed from a worker.")
    filename = StrictCharField(max_length=255)
    content_type = serializers.RegexField(r"^[a-z0-9.+-]+/[a-z0-9.+-]+\Z", max_length=100)
    size_bytes = StrictIntegerField(min_value=1, max_value=LARGEST_SIZE_BYTES)
    kind = serializers.ChoiceField(choices=kinds.Kind.choices)
    reference_id = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=255, help_text="The job, in your own words."
    )

    def validate_filename(self, value: str) -> str:
        if any(is_control(character) for character in value):
            raise serializers.ValidationError("A file name has no control characters.")
        return value


def is_control(character: str) -> bool:
    """Tell whether a character ends a line, steers a device, or makes text read in another order than it is written."""
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in ORDER_CONTROLS


class CompletionSerializer(serializers.Serializer[Any]):
    user_id = StrictUUIDField(required=False, allow_null=True, help_text="A worker may name whose file it is.")


class AssetSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    key = serializers.CharField()
    kind = serializers.ChoiceField(choices=kinds.Kind.choices)
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Asset.Status.choices)
    url = serializers.SerializerMethodField(help_text="A presigned GET; null until the upload is complete.")
    created_at = UtcDateTimeField()
    filename = serializers.CharField()
    reference_id = serializers.CharField()

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_url(self, asset: Asset) -> str | None:
        return links.asset_url(asset, expires_in_seconds=self.context.get("expires_in", DEFAULT_URL_SECONDS))


class AssetAnswerSerializer(serializers.Serializer[Any]):
    asset = AssetSerializer()


class AssetPageSerializer(serializers.Serializer[Any]):
    assets = AssetSerializer(many=True)
    total = serializers.IntegerField()
    pages = serializers.IntegerField()
    page = serializers.IntegerField()
    limit = serializers.IntegerField()


class UploadSerializer(serializers.Serializer[Any]):
    """How the file is to be sent, straight to the bucket: exactly so, or it is refused there."""

    method = serializers.CharField()
    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    expires_at = UtcDateTimeField()


class UploadAnswerSerializer(serializers.Serializer[Any]):
    asset = AssetSerializer()
    upload = UploadSerializer(source="*")


class StorageUsageSerializer(serializers.Serializer[Any]):
    used_bytes = serializers.IntegerField(
        help_text="In the quota: stored files, announced uploads, and deleted files whose upload URL still lives."
    )
    quota_bytes = serializers.IntegerField()
    objects = serializers.IntegerField()
    estimated_monthly_credits = CreditsField()
    stored_bytes = serializers.IntegerField(help_text="What is charged.")
    arrears_credits = CreditsField(help_text="What could not be paid yet; the next credits pay it first.")
    unpaid_since = UtcDateTimeField(allow_null=True)
