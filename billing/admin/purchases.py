"""What was bought: packages, amounts and plans, each by a hosted checkout."""

from django.contrib import admin

from billing.models import Purchase, SubscriptionCheckout
from smartspec.admin import ReadOnlyAdmin, UserSearchMixin, badge_column, column, money_column, user_column

CHECKOUT_COLOURS = {
    "open": "info",
    "processing": "primary",
    "fulfilled": "success",
    "needs_review": "danger",
    "expired": "",
    "failed": "warning",
}


@admin.register(Purchase)
class PurchaseAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "session_id", "payment_intent_id")
    person = user_column()
    state_badge = badge_column(lambda purchase: purchase.state, "State", CHECKOUT_COLOURS, "state")
    price = money_column("price_cents", "Price")
    paid = money_column("paid_cents", "Paid")
    bought = column(lambda purchase: purchase.package.name if purchase.package else "custom amount", "Bought")
    given = column(
        lambda purchase: f"{purchase.credits:,} + {purchase.bonus_credits:,}",
        "Credits + bonus",
        "credits",
        name="given",
    )
    short_id = column(lambda purchase: str(purchase.pk)[:8], "Purchase")
    list_display = (
        short_id,
        person,
        bought,
        given,
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
