"""Paid invoices of subscriptions."""

from django.contrib import admin

from billing.models import PaidInvoice
from smartspec.admin import ReadOnlyAdmin, UserSearchMixin, id_column, money_column, user_column, words_column


@admin.register(PaidInvoice)
class PaidInvoiceAdmin(UserSearchMixin, ReadOnlyAdmin):
    user_field = "subscription__user"
    search_fields = ("id", "subscription")
    person = user_column("subscription.user")
    paid = money_column("paid_cents", "Paid")
    why = words_column("billing_reason", "For")
    list_display = (id_column("id", "Invoice"), person, paid, why, "period_start", "period_end", "paid_at")
    list_filter = ("billing_reason", "paid_at")
    list_select_related = ("subscription__user",)
    ordering = ("-paid_at", "id")
    fields = (
        *("id", person, "subscription", why, paid, "period_start", "period_end", "allowance_credits"),
        *("upgraded_from", "upgraded_to", "upgraded_at", "upgrade_credits", "paid_at"),
    )
