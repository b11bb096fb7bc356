"""What the API of people and keys takes and gives."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from smartspec import clock
from smartspec.api import StrictCharField, UtcDateTimeField
from smartspec.users import keys


class MeSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    email_verified = serializers.BooleanField()
    plan = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField())
    created_at = UtcDateTimeField()


class KeySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = UtcDateTimeField()
    last_used_at = UtcDateTimeField(allow_null=True)
    expires_at = UtcDateTimeField(allow_null=True)


class KeyListSerializer(serializers.Serializer[Any]):
    keys = KeySerializer(many=True)


class IssuedKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The key itself. It is shown now and never again.")


class NewKeySerializer(serializers.Serializer[Any]):
    name = StrictCharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=keys.USER_SCOPES), allow_empty=False, max_length=len(keys.USER_SCOPES)
    )
    expires_at = UtcDateTimeField(required=False, allow_null=True, default=None)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= clock.now():
            raise serializers.ValidationError("The key would have expired already.", code="in_the_past")
        return value


class WebSessionSerializer(serializers.Serializer[Any]):
    next = serializers.RegexField(
        r"^/account(/[A-Za-z0-9_-]+)*\Z",
        required=False,
        allow_null=True,
        max_length=200,
        help_text="The account page to open, such as `/account/buy`.",
    )


class WebSessionLinkSerializer(serializers.Serializer[Any]):
    url = serializers.URLField()
