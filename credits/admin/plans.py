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
from credits.templatetags.ledger_words import FEATURES, feature_name
from smartspec import clock
from smartspec.admin import EditedAdmin, ReasonedModelForm, column, credits_column, money_column
from smartspec.users import services as users_services


class PlanForm(ReasonedModelForm):
    features = forms.MultipleChoiceField(
        choices=list(FEATURES.items()), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
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
    price_monthly = money_column("price_monthly_cents", "Price a month")
    price_yearly = money_column("price_yearly_cents", "Price a year")
    feature_list = column(lambda plan: ", ".join(map(feature_name, plan.features)), "Features")
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
