"""What the Payment endpoints take and give, field by field: the app relies on these names."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from billing import pricing, return_urls, selectors
from billing.models import CheckoutState, Interval
from smartspec.api import CreditsField, StrictCharField, StrictIntegerField, UtcDateTimeField

PLANS = ("free", *selectors.PAID_PLANS)


class MajorUnitsField(CreditsField):
    """Money in the currency's major unit, as an exact JSON number: 29 means $29. The value is given in cents."""

    def to_representation(self, value: Any) -> Decimal:  # type: ignore[override]
        return super().to_representation(Decimal(value) / 100)


class ReturnUrlField(StrictCharField):
    """An address on the allow-list; an app scheme (`smartspec://…`) is one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"max_length": return_urls.MAX_LENGTH} | options))
        self.error_messages["not_allowed"] = (
            "This address is not allowed. Use one of the app's origins or its URL scheme."
        )

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        if not return_urls.is_allowed(url):
            self.fail("not_allowed")
        return url


class StrictBooleanField(serializers.BooleanField):
    """true or false; "yes" and 1 are refused instead of being converted."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


# --- Catalogue ----------------------------------------------------------------------------------------------------


class ConfigSerializer(serializers.Serializer[Any]):
    publishable_key = serializers.CharField()
    currency = serializers.CharField()
    livemode = serializers.BooleanField()


class PackageSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    credits = CreditsField()
    bonus_credits = CreditsField()
    price = MajorUnitsField(source="price_cents")
    currency = serializers.CharField()
    price_per_credit = MajorUnitsField(source="cents_per_credit")
    is_popular = serializers.BooleanField()
    is_best_value = serializers.BooleanField()


class CustomAmountSerializer(serializers.Serializer[Any]):
    min_credits = CreditsField()
    max_credits = CreditsField()
    price_per_credit = MajorUnitsField(source="cents_per_credit")


class PackageListSerializer(serializers.Serializer[Any]):
    packages = PackageSerializer(many=True)
    custom = CustomAmountSerializer()


class CreditsAmountField(StrictIntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**({"min_value": pricing.MIN_CREDITS, "max_value": pricing.MAX_CREDITS} | options))


class QuoteQuerySerializer(serializers.Serializer[Any]):
    credits_amount = serializers.RegexField(r"\A[0-9]{1,6}\Z", help_text="10 to 10000, a whole number.")

    def validate_credits_amount(self, value: str) -> int:
        if not pricing.MIN_CREDITS <= int(value) <= pricing.MAX_CREDITS:
            raise serializers.ValidationError(
                f"Must be a whole number from {pricing.MIN_CREDITS} to {pricing.MAX_CREDITS}.", code="out_of_range"
            )
        return int(value)


class QuoteSerializer(serializers.Serializer[Any]):
    credits_amount = CreditsField(source="credits")
    bonus_credits = CreditsField()
    total_credits = CreditsField()
    price = MajorUnitsField(source="price_cents")
    currency = serializers.CharField()
    package = serializers.CharField(source="package.pk", allow_null=True, default=None)
    better_package = serializers.CharField(source="better_package.pk", allow_null=True, default=None)


# --- Checkout -----------------------------------------------------------------------------------------------------


class CreditsCheckoutSerializer(serializers.Serializer[Any]):
    credits_amount = CreditsAmountField()
    success_url = ReturnUrlField(required=False, allow_null=True)
    cancel_url = ReturnUrlField(required=False, allow_null=True)


class SubscriptionCheckoutSerializer(serializers.Serializer[Any]):
    plan = serializers.ChoiceField(choices=selectors.PAID_PLANS)
    interval = serializers.ChoiceField(choices=Interval.values, default=Interval.MONTHLY, allow_null=True)
    success_url = ReturnUrlField(required=False, allow_null=True)
    cancel_url = ReturnUrlField(required=False, allow_null=True)


class OpenedCheckoutSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField()
    url = serializers.CharField()


class CheckoutStatusSerializer(serializers.Serializer[Any]):
    session_id = serializers.CharField()
    mode = serializers.ChoiceField(choices=("payment", "subscription"))
    status = serializers.ChoiceField(choices=CheckoutState.values)
    credits_granted = CreditsField()


# --- Subscription -------------------------------------------------------------------------------------------------


class PendingChangeSerializer(serializers.Serializer[Any]):
    plan = serializers.CharField()
    interval = serializers.CharField()
    effective_at = UtcDateTimeField()


class SubscriptionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True)
    plan = serializers.CharField()
    plan_name = serializers.CharField()
    display_name = serializers.CharField()
    status = serializers.CharField()
    interval = serializers.CharField(allow_null=True)
    current_period_start = UtcDateTimeField()
    current_period_end = UtcDateTimeField()
    cancel_at_period_end = serializers.BooleanField()
    cancel_at = UtcDateTimeField(allow_null=True)
    access_ends_at = UtcDateTimeField(allow_null=True)
    pending_change = PendingChangeSerializer(allow_null=True)
    features = serializers.ListField(child=serializers.CharField())
    monthly_credits = CreditsField()
    next_allowance_at = UtcDateTimeField(allow_null=True)


class SubscriptionIdSerializer(serializers.Serializer[Any]):
    subscription_id = StrictCharField(max_length=255)


class CancelSerializer(SubscriptionIdSerializer):
    at_period_end = StrictBooleanField(default=True, allow_null=True)


class CancelledSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    subscription_id = serializers.CharField()
    cancel_at_period_end = serializers.BooleanField()
    current_period_end = UtcDateTimeField()


class ReactivatedSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    subscription_id = serializers.CharField()


class SuccessSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()


class ChangePlanSerializer(SubscriptionIdSerializer):
    new_plan = serializers.ChoiceField(choices=PLANS)
    new_interval = serializers.ChoiceField(choices=Interval.values, required=False, default=None, allow_null=True)
    preview = StrictBooleanField(default=False, allow_null=True)


class ChangedPlanSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    subscription_id = serializers.CharField()
    status = serializers.ChoiceField(choices=("done", "scheduled", "requires_action"))
    action_url = serializers.CharField(allow_null=True)
    effective_at = UtcDateTimeField()
    amount_due = serializers.IntegerField()
    currency = serializers.CharField()
    credits_granted = CreditsField()


# --- Portal, cards, invoices --------------------------------------------------------------------------------------


class PortalSerializer(serializers.Serializer[Any]):
    return_url = ReturnUrlField()


class UrlSerializer(serializers.Serializer[Any]):
    url = serializers.CharField()


class PaymentMethodSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    brand = serializers.CharField()
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField()
    exp_year = serializers.IntegerField()
    is_default = serializers.BooleanField()


class PaymentMethodListSerializer(serializers.Serializer[Any]):
    payment_methods = PaymentMethodSerializer(many=True)


class InvoiceQuerySerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=10)
    starting_after = serializers.CharField(required=False, allow_blank=True, default="", max_length=255)


class InvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField(allow_null=True)
    amount_due = serializers.IntegerField()
    amount_paid = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.CharField()
    created = UtcDateTimeField()
    description = serializers.CharField()
    invoice_pdf = serializers.CharField(allow_null=True)
    hosted_invoice_url = serializers.CharField(allow_null=True)


class InvoiceListSerializer(serializers.Serializer[Any]):
    invoices = InvoiceSerializer(many=True)
    has_more = serializers.BooleanField()


class UpcomingInvoiceSerializer(serializers.Serializer[Any]):
    amount_due = serializers.IntegerField()
    currency = serializers.CharField()
    next_payment_attempt = UtcDateTimeField(allow_null=True)


class UpcomingSerializer(serializers.Serializer[Any]):
    upcoming_invoice = UpcomingInvoiceSerializer(allow_null=True)
