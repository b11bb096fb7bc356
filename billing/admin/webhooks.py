"""What Stripe told us."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from djstripe import models as djstripe_models

from billing.models import WebhookRefusal
from smartspec.admin import ReadOnlyAdmin, UserSearchMixin, badge_column, column

MASK = "********"
SECRET_NAMES = frozenset({"client_secret", "secret", "url", "hosted_invoice_url", "invoice_pdf", "receipt_url"})
WEBHOOK_COLOURS = {"mirrored": "success", "waiting": "info", "failed": "danger", "invalid": "danger"}


class ProcessedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed"), ("waiting", "Waiting"), ("mirrored", "Mirrored")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "mirrored":
            return queryset.filter(processed=True)
        if self.value() == "failed":
            return queryset.filter(processed=False).exclude(exception="")
        return queryset.filter(processed=False, exception="") if self.value() == "waiting" else queryset


@admin.register(djstripe_models.WebhookEventTrigger)
class WebhookAdmin(UserSearchMixin, ReadOnlyAdmin):
    """The events that arrived, as the mirror sees them; what refused a signature was never stored, only counted."""

    user_field = ""
    search_fields = ("id", "event")
    search_help_text = "A number of this list, or the id of an event, evt_…. At most 10,000 rows are listed."
    event_type = column(lambda trigger: event_of(trigger).get("type"), "Type")
    event_id = column(lambda trigger: event_of(trigger).get("id"), "Event")
    state = badge_column(lambda trigger: trigger_state(trigger), "Mirror", WEBHOOK_COLOURS)
    list_display = ("id", event_type, event_id, state, "exception", "created")
    list_filter = (ProcessedFilter,)
    ordering = ("-id",)
    fields = ("id", event_type, event_id, state, "created", "updated", "remote_ip", "exception", "error", "payload")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("headers")

    @admin.display(description="Traceback")
    def error(self, trigger: Any) -> SafeString | None:
        return preformatted(trigger.traceback) if trigger.traceback else None

    @admin.display(description="Payload")
    def payload(self, trigger: Any) -> SafeString:
        return preformatted(json.dumps(masked(event_of(trigger)), indent=2, ensure_ascii=False))


@admin.register(WebhookRefusal)
class WebhookRefusalAdmin(ReadOnlyAdmin):
    list_display = ("minute_at", "cause", "count")
    list_filter = ("cause", "minute_at")
    ordering = ("-minute_at", "cause")
    fields = ("minute_at", "cause", "count")


def event_of(trigger: Model) -> dict[str, Any]:
    event = getattr(trigger, "json_body", None)
    return event if isinstance(event, dict) else {}


def trigger_state(trigger: Any) -> str:
    if not trigger.valid:
        return "invalid"
    if trigger.processed:
        return "mirrored"
    return "failed" if trigger.exception else "waiting"


def masked(value: Any) -> Any:
    """Return a payload without what opens something by itself: secrets, and addresses that need no log-in."""
    if isinstance(value, dict):
        return {
            name: MASK if name in SECRET_NAMES and isinstance(inner, str) else masked(inner)
            for name, inner in value.items()
        }
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="max-w-full overflow-x-auto whitespace-pre-wrap text-xs">{}</pre>', text)
