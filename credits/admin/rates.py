"""What operations cost, and from when on."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from credits import selectors, services
from credits.models import Rate
from credits.modifiers import InvalidModifiers, check_modifiers
from smartspec import clock
from smartspec.admin import (
    EditedAdmin,
    ReasonedModelForm,
    RowAction,
    RowActionsMixin,
    badge_column,
    column,
    credits_column,
    plain_credits,
)
from smartspec.users import services as users_services


class RateForm(ReasonedModelForm):
    def clean_effective_from(self) -> Any:
        effective_from = self.cleaned_data["effective_from"]
        if effective_from <= clock.now():
            raise ValidationError("A rate begins in the future: what was priced stays as it was.")
        return effective_from

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "operation" in cleaned and "modifiers" in cleaned:
            try:
                check_modifiers(cleaned["modifiers"], Rate.Operation(cleaned["operation"]))
            except InvalidModifiers as error:
                self.add_error("modifiers", error.detail)
        return cleaned


def modifiers_text(rate: Rate) -> str:
    return ", ".join(f"{modifier['label']} {modifier['percent']:+} %" for modifier in rate.modifiers)


@admin.register(Rate)
class RateAdmin(RowActionsMixin, EditedAdmin):
    """What operations cost. A price changes by a new rate that begins later; one that has begun is never edited."""

    form = RateForm
    state = badge_column(lambda rate: rate_state(rate), "State", {"in_force": "success", "planned": "info", "past": ""})
    base = credits_column("base_credits", "Credits")
    modifier_list = column(modifiers_text, "Modifiers")
    list_display = ("operation", "model_id", base, "unit", modifier_list, "effective_from", state)
    list_filter = ("operation",)
    ordering = ("operation", "model_id", "-effective_from")
    fields = ("operation", "model_id", "base_credits", "modifiers", "effective_from")
    readonly_fields = ("preview",)
    row_actions = (
        RowAction(
            name="withdraw",
            title="Withdraw",
            right="credits.delete_rate",
            sentence="The rate never begins: what is in effect stays in effect.",
            perform=lambda rate, staff: withdraw(rate, staff),
            is_offered=lambda rate: is_planned(rate),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rate]:
        newer = Rate.objects.filter(
            operation=OuterRef("operation"),
            model_id=OuterRef("model_id"),
            effective_from__gt=OuterRef("effective_from"),
            effective_from__lte=clock.now(),
        )
        return super().get_queryset(request).annotate(has_successor=Exists(newer))

    def has_change_permission(self, request: HttpRequest, obj: Rate | None = None) -> bool:
        return is_planned(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Rate | None = None) -> bool:
        return False  # it is withdrawn, with a reason

    def save_by(self, staff: users_services.Staff, row: Rate) -> None:
        services.save_rate(staff=staff, rate=row, now=clock.now())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_fields(request, obj), *(("preview",) if obj and is_planned(obj) else ()))

    @admin.display(description="Of the last 30 days")
    def preview(self, rate: Rate) -> str:
        """What the rate would have made of the last 30 days' usage."""
        seen = selectors.preview_rate(rate=rate, now=clock.now())
        if not seen.jobs:
            return "No job of this kind was done."
        percent = f" ({(seen.new_credits / seen.old_credits - 1) * 100:+.1f} %)" if seen.old_credits else ""
        return (
            f"{seen.jobs:,} jobs cost {plain_credits(seen.old_credits)} credits; at this rate they would have cost"
            f" {plain_credits(seen.new_credits)}{percent}."
        )


def withdraw(rate: Rate, staff: users_services.Staff) -> str:
    name = str(rate)
    services.withdraw_rate(staff=staff, rate=rate, now=clock.now())
    return f"{name} is withdrawn."


def is_planned(rate: Rate | None) -> bool:
    return rate is None or rate.effective_from > clock.now()


def rate_state(rate: Any) -> str:
    if is_planned(rate):
        return "planned"
    return "past" if rate.has_successor else "in_force"
