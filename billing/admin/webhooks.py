"""What Stripe told us, and what became of it."""

import json
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from billing import selectors, services, stripe_data
from billing.models import Webhook, WebhookRefusal
from smartspec import clock
from smartspec.admin import (
    ReadOnlyAdmin,
    RowAction,
    RowActionsMixin,
    UserSearchMixin,
    badge_column,
    column,
    plain_credits,
    preformatted,
    user_column,
)
from smartspec.models import JobFailure
from smartspec.users import services as users_services

STATE_COLOURS = {
    "queued": "info",
    "processed": "success",
    "failed": "warning",
    "dead": "danger",
}
MIRROR_COLOURS = {"mirrored": "success", "waiting": "info", "failed": "warning"}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in selectors.WebhookState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        if state not in list(selectors.WebhookState):
            return queryset
        return selectors.webhooks_in_state(queryset, selectors.WebhookState(state))


class MirrorFilter(admin.SimpleListFilter):
    title = "mirror"
    parameter_name = "mirror"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed"), ("waiting", "Waiting"), ("mirrored", "Mirrored")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "mirrored":
                return queryset.filter(trigger__processed=True)
            case "failed":
                return queryset.filter(trigger__processed=False).exclude(trigger__exception="")
            case "waiting":
                return queryset.filter(trigger__processed=False, trigger__exception="")
        return queryset


def replay(webhook: Webhook, staff: users_services.Staff) -> str:
    services.replay_webhook(staff=staff, trigger_id=webhook.pk, now=clock.now())
    return f"{webhook} is worked on again."


def ignore(webhook: Webhook, staff: users_services.Staff) -> str:
    services.ignore_webhook(staff=staff, trigger_id=webhook.pk, now=clock.now())
    return f"{webhook} is ignored from now on."


@admin.register(Webhook)
class WebhookAdmin(RowActionsMixin, UserSearchMixin, ReadOnlyAdmin):
    """Deliveries whose signature was good. Of others only their number is known: see the refusals."""

    search_fields = ("event_id", "object_id", "customer_id", "event_type")
    search_help_text = "E-mail, name or id of a user; an event, object or customer of Stripe; a type of event."
    list_before_template = "admin/billing/webhook/refusals.html"
    person = user_column()
    state = badge_column(lambda webhook: webhook.state, "State", STATE_COLOURS)
    mirror = badge_column(lambda webhook: mirror_state(webhook), "Mirror", MIRROR_COLOURS)
    customer = column(lambda webhook: whose(webhook), "Customer")
    age = column(lambda webhook: timesince(webhook.received_at, clock.now(), depth=1), "Age", "pk")
    attempts = column(lambda webhook: webhook.attempts, "Attempts")
    list_display = ("event_type", customer, state, age, attempts, mirror)
    list_filter = (StateFilter, MirrorFilter, "event_type")
    list_select_related = ("trigger", "user")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("event_type", "event_id", "object_id", person, "customer_id", state, attempts)}),
        ("What it changed", {"fields": ("changed", "processed_at", "ignored_at")}),
        ("What went wrong", {"fields": ("error", "traceback", "mirror_error")}),
        ("What arrived", {"fields": ("received_at", "signature", "sent_from", mirror, "payload")}),
    )
    row_actions = (
        RowAction(
            name="replay",
            title="Replay",
            right="billing.replay_webhook",
            sentence="What follows from it is done now, if it was not: it looks at what is true at Stripe, and gives"
            " nothing twice.",
            perform=replay,
        ),
        RowAction(
            name="ignore",
            title="Ignore",
            right="billing.ignore_webhook",
            sentence="Nothing follows from it: it is no longer tried, and no longer shown as needing a person.",
            perform=ignore,
            is_offered=lambda webhook: webhook.processed_at is None and webhook.ignored_at is None,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return selectors.with_state(super().get_queryset(request)).defer("trigger__headers", "trigger__body")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {**(extra_context or {}), "refusals": selectors.count_refusals_of_a_day(now=clock.now())}
        return super().changelist_view(request, context)

    @admin.display(description="Changes")
    def changed(self, webhook: Webhook) -> str:
        rows = [[linked(change), change["state"], moved(change)] for change in webhook.changes]
        if not rows:
            return "Nothing yet." if webhook.processed_at is None else "Nothing of ours."
        table = {"headers": ["What", "State since", "Entries"], "rows": rows}
        return render_to_string("unfold/components/table.html", {"table": table})

    @admin.display(description="Error")
    def error(self, webhook: Webhook) -> str | None:
        failure = failure_of(webhook)
        return failure.error if failure else None

    @admin.display(description="Traceback")
    def traceback(self, webhook: Webhook) -> SafeString | None:
        failure = failure_of(webhook)
        return preformatted(failure.traceback) if failure else None

    @admin.display(description="Mirror's error")
    def mirror_error(self, webhook: Webhook) -> SafeString | None:
        return preformatted(webhook.trigger.traceback) if mirror_state(webhook) == "failed" else None

    @admin.display(description="Signature")
    def signature(self, webhook: Webhook) -> str:
        return "Valid: signed by one of our secrets, at most 5 minutes before it arrived."

    @admin.display(description="Sent from")
    def sent_from(self, webhook: Webhook) -> str:
        return f"{webhook.trigger.remote_ip}, {webhook.trigger.headers.get('User-Agent', 'no user agent')}"

    @admin.display(description="Payload")
    def payload(self, webhook: Webhook) -> SafeString:
        return preformatted(
            json.dumps(stripe_data.without_secrets(webhook.trigger.json_body), indent=2, ensure_ascii=False)
        )


@admin.register(WebhookRefusal)
class WebhookRefusalAdmin(ReadOnlyAdmin):
    list_display = ("minute_at", "cause", "count")
    list_filter = ("cause", "minute_at")
    ordering = ("-minute_at", "cause")
    fields = ("minute_at", "cause", "count")


def mirror_state(webhook: Webhook) -> str:
    if webhook.trigger.processed:
        return "mirrored"
    return "failed" if webhook.trigger.exception else "waiting"


def whose(webhook: Webhook) -> SafeString | None:
    name = webhook.user or webhook.customer_id
    return format_html('<span class="bo-who" title="{}">{}</span>', name, name) if name else None


def failure_of(webhook: Webhook) -> JobFailure | None:
    return JobFailure.objects.filter(pk=webhook.job_id).first() if webhook.job_id else None


def linked(change: dict[str, Any]) -> str:
    """Return what a webhook changed, as a link where the admin has a page of it."""
    try:
        url = reverse(f"admin:billing_{change['what']}_change", args=[change["id"]])
    except NoReverseMatch:
        return f"{change['what']} {change['id']}"
    return format_html('<a class="text-link" href="{}">{} {}</a>', url, change["what"], change["id"])


def moved(change: dict[str, Any]) -> str:
    entries = [
        f"{plain_credits(Decimal(entry['credits']), is_signed=True)} ({entry['type']})" for entry in change["entries"]
    ]
    return ", ".join(entries) or "no credits moved"
