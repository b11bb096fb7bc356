"""What is sold, what was bought, and what Stripe told us."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from djstripe import models as djstripe_models

from billing import pricing
from billing.models import (
    Customer,
    Package,
    PaidInvoice,
    PlanChange,
    Purchase,
    Subscription,
    SubscriptionCheckout,
    WebhookRefusal,
)
from smartspec.admin import (
    PlainAdmin,
    ReadOnlyAdmin,
    UserSearchMixin,
    badge_column,
    column,
    money_column,
    user_column,
)

SMALLEST_PRICE_CENTS = 50  # Stripe refuses less
LARGEST_PRICE_CENTS = 99_999_999
MASK = "********"
SECRET_NAMES = frozenset({"client_secret", "secret", "url", "hosted_invoice_url", "invoice_pdf", "receipt_url"})

CHECKOUT_COLOURS = {
    "open": "info",
    "processing": "primary",
    "fulfilled": "success",
    "needs_review": "danger",
    "expired": "",
    "failed": "warning",
}
SUBSCRIPTION_COLOURS = {
    "trialing": "info",
    "active": "success",
    "past_due": "warning",
    "unpaid": "danger",
    "incomplete": "warning",
    "incomplete_expired": "",
    "paused": "warning",
    "canceled": "",
}
WEBHOOK_COLOURS = {"mirrored": "success", "waiting": "info", "failed": "danger", "invalid": "danger"}


def unregister_djstripe() -> None:
    """Take dj-stripe's own pages out of the admin: there any staff could cancel subscriptions, without the right to."""
    for model in list(admin.site._registry):
        if model._meta.app_label == "djstripe":
            admin.site.unregister(model)


unregister_djstripe()


# --- The catalogue ------------------------------------------------------------------------------------------------


class PackageForm(forms.ModelForm):
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
class PackageAdmin(PlainAdmin):
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
    list_display = ("name", "id", "credits", "bonus_credits", price, mark, state, "position")
    list_filter = ("is_active",)
    ordering = ("position", "id")
    fields = (
        *("id", "name", "credits", "bonus_credits", "price_cents", "currency"),
        *("is_popular", "is_best_value", "position", "is_active"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("id", "currency") if obj else ("currency",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it is withdrawn; purchases name it


# --- What was bought ----------------------------------------------------------------------------------------------


@admin.register(Customer)
class CustomerAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id",)
    person = user_column()
    list_display = ("id", person, "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = ("id", person, "created_at", "state_version")


@admin.register(Purchase)
class PurchaseAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "session_id", "payment_intent_id")
    person = user_column()
    state_badge = badge_column(lambda purchase: purchase.state, "State", CHECKOUT_COLOURS, "state")
    price = money_column("price_cents", "Price")
    paid = money_column("paid_cents", "Paid")
    bought = column(lambda purchase: purchase.package.name if purchase.package else "custom amount", "Bought")
    short_id = column(lambda purchase: str(purchase.pk)[:8], "Purchase")
    list_display = (
        short_id,
        person,
        bought,
        "credits",
        "bonus_credits",
        price,
        state_badge,
        "created_at",
        "fulfilled_at",
    )
    list_filter = ("state", "package", "created_at")
    list_select_related = ("user", "package")
    ordering = ("-created_at", "id")
    fields = (
        *("id", person, state_badge, "review_reason", bought, "credits", "bonus_credits", price, paid),
        *("session_id", "payment_intent_id", "idempotency_key", "created_at", "fulfilled_at"),
    )


@admin.register(SubscriptionCheckout)
class SubscriptionCheckoutAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "session_id", "subscription_id")
    person = user_column()
    state_badge = badge_column(lambda checkout: checkout.state, "State", CHECKOUT_COLOURS, "state")
    short_id = column(lambda checkout: str(checkout.pk)[:8], "Checkout")
    list_display = (short_id, person, "plan", "interval", state_badge, "created_at")
    list_filter = ("state", "plan", "interval", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = (
        *("id", person, state_badge, "review_reason", "plan", "interval", "price_id"),
        *("session_id", "subscription_id", "idempotency_key", "created_at"),
    )


@admin.register(Subscription)
class SubscriptionAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "customer")
    person = user_column()
    state = badge_column(lambda subscription: subscription.status, "State", SUBSCRIPTION_COLOURS, "status")
    change = column(
        lambda subscription: "ends" if subscription.cancel_at_period_end else subscription.pending_plan, "At period end"
    )
    list_display = ("id", person, "plan", "interval", state, "current_period_end", "paid_until", change, "created_at")
    list_filter = ("status", "plan", "interval", "is_surplus", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fieldsets = (
        (None, {"fields": ("id", person, "customer", state, "plan", "interval", "is_surplus", "created_at")}),
        ("Periods", {"fields": ("anchor_at", "current_period_start", "current_period_end", "paid_until")}),
        (
            "What is to come",
            {
                "fields": (
                    "cancel_at_period_end",
                    "cancel_at",
                    "pending_plan",
                    "pending_interval",
                    "pending_at",
                    "ended_at",
                )
            },
        ),
        ("At Stripe", {"fields": ("price_id", "item_id", "schedule_id")}),
    )


@admin.register(PaidInvoice)
class PaidInvoiceAdmin(UserSearchMixin, ReadOnlyAdmin):
    user_field = "subscription__user"
    search_fields = ("id", "subscription")
    person = user_column("subscription.user")
    paid = money_column("paid_cents", "Paid")
    list_display = ("id", person, paid, "billing_reason", "period_start", "period_end", "paid_at")
    list_filter = ("billing_reason", "paid_at")
    list_select_related = ("subscription__user",)
    ordering = ("-paid_at", "id")
    fields = (
        *("id", person, "subscription", "billing_reason", paid, "period_start", "period_end", "allowance_credits"),
        *("upgraded_from", "upgraded_to", "upgraded_at", "upgrade_credits", "paid_at"),
    )


@admin.register(PlanChange)
class PlanChangeAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "subscription")
    person = user_column()
    state = badge_column(
        lambda change: "unanswered" if change.answer is None else "answered",
        "State",
        {"answered": "success", "unanswered": "warning"},
    )
    short_id = column(lambda change: str(change.pk)[:8], "Plan change")
    list_display = (short_id, person, "plan", "interval", state, "created_at")
    list_filter = ("plan", "interval", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = ("id", person, "subscription", "plan", "interval", state, "idempotency_key", "created_at")


# --- What Stripe told us ------------------------------------------------------------------------------------------


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
