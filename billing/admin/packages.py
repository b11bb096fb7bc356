"""What is sold."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from billing import pricing, services
from billing.models import Package
from smartspec import clock
from smartspec.admin import EditedAdmin, ReasonedModelForm, badge_column, column, money_column
from smartspec.users import services as users_services

SMALLEST_PRICE_CENTS = 50  # Stripe refuses less
LARGEST_PRICE_CENTS = 99_999_999


class PackageForm(ReasonedModelForm):
    def clean_credits(self) -> int:
        credits: int = self.cleaned_data["credits"]
        if not pricing.MIN_CREDITS <= credits <= pricing.MAX_CREDITS:
            raise ValidationError(f"A package has {pricing.MIN_CREDITS:,} to {pricing.MAX_CREDITS:,} credits.")
        return credits

    def clean_price_cents(self) -> int:
        price_cents: int = self.cleaned_data["price_cents"]
        if not SMALLEST_PRICE_CENTS <= price_cents <= LARGEST_PRICE_CENTS:
            raise ValidationError(
                f"A price is from {SMALLEST_PRICE_CENTS} to {LARGEST_PRICE_CENTS:,} cents: Stripe refuses others."
            )
        return price_cents

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        others = Package.objects.exclude(pk=self.instance.pk or cleaned.get("id"))
        if cleaned.get("is_active") and "credits" in cleaned:
            same = others.filter(is_active=True, credits=cleaned["credits"]).first()
            if same:
                self.add_error("credits", f"“{same.name}” has as many credits: an amount buys one package.")
        for mark in ("is_popular", "is_best_value"):
            marked = others.filter(**{mark: True}).first()
            if cleaned.get(mark) and marked:
                self.add_error(mark, f"“{marked.name}” has this mark. Take it away there first.")
        return cleaned


@admin.register(Package)
class PackageAdmin(EditedAdmin):
    """What is sold. A purchase keeps what was quoted, whatever is changed here afterwards."""

    form = PackageForm
    price = money_column("price_cents", "Price")
    state = badge_column(
        lambda package: "on_sale" if package.is_active else "withdrawn", "State", {"on_sale": "success"}, "is_active"
    )
    mark = badge_column(
        lambda package: "popular" if package.is_popular else "best_value" if package.is_best_value else "",
        "Mark",
        {"popular": "primary", "best_value": "info"},
    )
    size = column(lambda package: f"{package.credits:,}", "Credits", "credits")
    bonus = column(lambda package: f"{package.bonus_credits:,}", "Bonus", "bonus_credits")
    list_display = ("name", "id", size, bonus, price, mark, state, "position")
    list_filter = ("is_active",)
    ordering = ("position", "id")
    fields = (
        *("id", "name", "credits", "bonus_credits", "price_cents", "currency"),
        *("is_popular", "is_best_value", "position", "is_active"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = ("id", "currency") if obj else ("currency",)
        return (*super().get_readonly_fields(request, obj), *fixed)

    def save_by(self, staff: users_services.Staff, row: Package) -> None:
        services.save_package(staff=staff, package=row, now=clock.now())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it is withdrawn; purchases name it
