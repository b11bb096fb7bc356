"""Rows that staff edit: with a reason, by one service call, and with the history of what was changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from smartspec.admin.actions import staff_of
from smartspec.admin.lists import PlainAdmin
from smartspec.backoffice import ReasonForm
from smartspec.users import services
from smartspec.users.models import StaffAction

WHY = ("reason", "note")
CHANGES_SHOWN = 50


class ReasonedModelForm(ReasonForm, forms.ModelForm):
    """A model's form that asks why."""


class EditedAdmin(PlainAdmin):
    """A list whose rows are edited by staff. A subclass names its fields and saves by its service."""

    form = ReasonedModelForm

    def save_by(self, staff: services.Staff, row: Any) -> None:
        """This will save a row by one service call."""
        raise NotImplementedError

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = super().get_fields(request, obj)
        may_edit = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return (*own, *(WHY if may_edit else ()), *(("changes",) if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "changes")

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        staff = staff_of(request, **{name: form.cleaned_data[name] for name in WHY})
        try:
            self.save_by(staff, obj)
        except services.NotPermitted as refusal:
            raise PermissionDenied(refusal.detail) from refusal

    @admin.display(description="What was changed")
    def changes(self, row: Model) -> SafeString:
        done = StaffAction.objects.filter(reference_type=row._meta.model_name, reference_id=str(row.pk))
        rows = [
            [
                f"{action.created_at:%Y-%m-%d %H:%M}",
                action.actor,
                told(action),
                why(action),
            ]
            for action in done.select_related("actor").order_by("-created_at", "-pk")[:CHANGES_SHOWN]
        ]
        table = {"headers": ["When", "Who", "What", "Why"], "rows": rows}
        return render_to_string("unfold/components/table.html", {"table": table})


def why(action: StaffAction) -> str:
    return f"{action.get_reason_display()}: {action.note}"


def told(action: StaffAction) -> str:
    """Return what a change changed: name: before → after."""
    return "; ".join(f"{name}: {action.before.get(name, '–')} → {value}" for name, value in action.after.items())
