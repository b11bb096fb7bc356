"""What an account has, and what it had."""

from typing import Any

from rest_framework import serializers

from credits.serializers.periods import MomentField
from smartspec.api import CreditsField, UtcDateTimeField


class BalanceQuerySerializer(serializers.Serializer[Any]):
    at = MomentField(required=False, help_text="The balance as it was at this moment.")


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
    expires_soon = ExpiringSerializer(many=True, help_text="What ends within 7 days, the allowance's own lot aside.")


class PastBalanceSerializer(serializers.Serializer[Any]):
    at = UtcDateTimeField()
    balance_credits = CreditsField()
