"""Subscriptions, and what changed them."""

from django.contrib import admin

from billing import selectors
from billing.models import PlanChange, Subscription
from smartspec.admin import ReadOnlyAdmin, UserSearchMixin, badge_column, column, id_column, user_column

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


@admin.register(Subscription)
class SubscriptionAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "customer")
    person = user_column()
    state = badge_column(lambda subscription: subscription.status, "State", SUBSCRIPTION_COLOURS, "status")
    plan = column(lambda row: f"{row.plan.capitalize()}, {row.interval}", "Plan", "plan", name="plan_and_interval")
    change = column(
        lambda subscription: "ends" if selectors.ends_with_period(subscription) else subscription.pending_plan,
        "At period end",
    )
    list_display = (
        *(id_column("id", "Subscription"), person, plan, state),
        *("current_period_end", "paid_until", change),
    )
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
