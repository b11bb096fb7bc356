"""What plans give."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from credits import services
from credits.models import Plan
from smartspec import clock
from smartspec.admin import EditedAdmin, ReasonedModelForm, column, credits_column
from smartspec.users import services as users_services

FEATURES = (
    ("basic_support", "Community support"),
    ("image_generation", "Image generation"),
    ("video_generation", "Video generation"),
    ("audio_generation", "Audio generation"),
    ("priority_queue", "Priority queue"),
    ("api_access", "API access"),
    ("email_support", "E-mail support"),
    ("custom_models", "Custom models"),
    ("sla", "Service level agreement"),
    ("dedicated_support", "Dedicated support"),
    ("audit_logs", "Audit logs"),
)


class PlanForm(ReasonedModelForm):
    features = forms.MultipleChoiceField(
        choices=FEATURES, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def clean_monthly_credits(self) -> Decimal:
        credits: Decimal = self.cleaned_data["monthly_credits"]
        if credits < 0:
            raise ValidationError("A plan gives no less than nothing.")
        return credits


@admin.register(Plan)
class PlanAdmin(EditedAdmin):
    """What a plan gives. Its prices are Stripe's, which cannot change; plans come and go with a release."""

    form = PlanForm
    change_form_before_template = "admin/plan_prices.html"  # what Stripe says of its prices
    monthly = credits_column("monthly_credits", "Monthly credits")
    price_monthly = column(
        lambda plan: f"${plan.price_monthly_cents / 100:,.2f}", "Price a month", "price_monthly_cents"
    )
    price_yearly = column(lambda plan: f"${plan.price_yearly_cents / 100:,.2f}", "Price a year", "price_yearly_cents")
    feature_list = column(lambda plan: ", ".join(dict(FEATURES).get(name, name) for name in plan.features), "Features")
    storage = column(lambda plan: f"{plan.max_storage_mb:,} MB", "Storage", "max_storage_mb")
    list_display = ("display_name", "slug", monthly, price_monthly, price_yearly, feature_list, storage)
    ordering = ("position", "slug")
    readonly_fields = ("slug", price_monthly, price_yearly)
    fields = (
        *("slug", "display_name", "description", "monthly_credits", price_monthly, price_yearly),
        *("features", "max_storage_mb", "is_popular", "position"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_by(self, staff: users_services.Staff, row: Plan) -> None:
        services.save_plan(staff=staff, plan=row, now=clock.now())
