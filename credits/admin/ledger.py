"""The ledger, to look at: accounts, their entries, lots, holds and days, and what staff corrected."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from credits.backoffice.account import ADJUSTMENT_COLOURS
from credits.models import Account, Adjustment, Entry, Grant, Hold, UsageDay
from smartspec.admin import (
    CompositeKeyAdmin,
    ReadOnlyAdmin,
    UserSearchMixin,
    badge_column,
    column,
    credits_column,
    id_column,
    list_link,
    plain_credits,
    user_column,
    words_column,
)

ENTRY_COLOURS = {
    "purchase": "success",
    "bonus": "success",
    "subscription": "primary",
    "refund": "info",
    "usage": "",
    "adjustment": "warning",
    "expiry": "warning",
    "clawback": "danger",
}
HOLD_COLOURS = {"open": "info", "captured": "success", "released": "", "expired": "warning"}


class AccountStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("frozen", "Frozen"), ("debt", "In debt")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        conditions = {"frozen": ~Q(frozen_causes=[]), "debt": Q(debt__gt=0)}
        condition = conditions.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


@admin.register(Account)
class AccountAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_help_text = "E-mail, name or id of a user. At most 10,000 rows are listed."
    search_fields = ("user",)
    person = user_column()
    state = badge_column(
        lambda account: "frozen" if account.frozen_causes else "in_debt" if account.debt else "good",
        "State",
        {"frozen": "danger", "in_debt": "warning", "good": "success"},
    )
    available = credits_column("available", "Available")
    held = credits_column("held", "Held")
    debt = credits_column("debt", "Debt")
    period_used = credits_column("period_used", "Used in this period")
    frozen_for = column(lambda account: ", ".join(account.frozen_causes), "Frozen for")
    list_display = ("user", available, held, debt, "plan", "paid_until", state, "last_entry_at")
    list_filter = (AccountStateFilter, "plan")
    list_select_related = ("user", "plan")
    ordering = ("pk",)
    fieldsets = (
        (None, {"fields": (person, state, frozen_for, available, held, debt, "more")}),
        ("Plan", {"fields": ("plan", "plan_source", "anchor_at", "paid_from", "paid_until")}),
        ("This period", {"fields": ("period_start_at", "period_end_at", period_used, "next_due_at")}),
        ("Records", {"fields": ("entry_count", "hold_count", "opened_at", "last_entry_at")}),
    )

    @admin.display(description="More")
    def more(self, account: Account) -> SafeString:
        lists = {"entry": "Entries", "grant": "Lots", "hold": "Holds", "usageday": "Usage"}
        links = ((list_link(f"credits_{name}", account.user_id, title),) for name, title in lists.items())
        return format_html_join(" · ", "{}", links)


@admin.register(Adjustment)
class AdjustmentAdmin(UserSearchMixin, ReadOnlyAdmin):
    """Corrections by staff; whoever has the right decides about those that wait, on the person's page."""

    search_fields = ("id",)
    person = user_column()
    asker = user_column("requested_by", "Asked for by")
    decider = user_column("decided_by", "Decided by")
    credits = credits_column("credits", "Credits", is_signed=True)
    state_badge = badge_column(lambda adjustment: adjustment.state, "State", ADJUSTMENT_COLOURS)
    list_display = ("requested_at", person, credits, state_badge, asker, "reason", decider)
    list_filter = ("state", "reason", "requested_at")
    list_select_related = ("user", "requested_by", "decided_by")
    ordering = ("-requested_at", "id")
    fields = (
        *("id", person, credits, "expires_at", state_badge, "reason", "note", asker, "requested_at"),
        *(decider, "decided_at", "decision_note", "entry_number"),
    )


class LedgerAdmin(UserSearchMixin, CompositeKeyAdmin):
    """A table of the ledger: rows of an account are found by its user, and only then filtered."""

    user_field = "account_id"
    search_fields: Sequence[str] = ("account",)
    search_help_text = "E-mail, name or id of a user; then filters appear. At most 10,000 rows are listed."
    list_select_related = ("account__user",)
    ordering: Sequence[str] = ("-account_id", "-number")  # backwards along the key; the newest first within an account


class EntryAdmin(LedgerAdmin):
    person = user_column("account.user")
    kind = badge_column(lambda entry: entry.entry_type, "Type", ENTRY_COLOURS)
    delta = credits_column("delta_credits", "Change", is_signed=True)
    balance_before = credits_column("balance_before", "Balance before")
    balance_after = credits_column("balance_after", "Balance after")
    lots = column(lambda entry: lots_text(entry), "Lots it took from")
    reference = id_column("reference_id", "Reference")
    list_display = ("number", person, kind, delta, balance_after, "description", reference, "created_at")
    list_filter = ("entry_type", "created_at")
    fields = (
        *("public_id", person, kind, delta, balance_before, balance_after, "description", "model_id"),
        *("reference_type", "reference_id", "hold_number", lots, "created_at"),
    )


class GrantAdmin(LedgerAdmin):
    person = user_column("account.user")
    kind_badge = badge_column(lambda grant: grant.kind, "Kind", ENTRY_COLOURS)
    credits = credits_column("credits", "Given")
    remaining = credits_column("remaining", "Remaining")
    repaid = credits_column("repaid", "Paid off debt")
    expired = credits_column("expired", "Ended unspent")
    clawed_back = credits_column("clawed_back", "Taken back")
    short_source = id_column("source", "Source")
    list_display = ("number", person, kind_badge, credits, remaining, short_source, "effective_at", "expires_at")
    list_filter = ("kind", "is_open", "effective_at")
    fields = (
        *("number", person, kind_badge, "source", credits, remaining, repaid, expired, clawed_back),
        *("priority", "is_paid", "is_open", "effective_at", "expires_at", "own_end_at"),
    )


class HoldAdmin(LedgerAdmin):
    person = user_column("account.user")
    state = badge_column(lambda hold: hold.status, "State", HOLD_COLOURS)
    credits = credits_column("credits", "Held")
    captured = credits_column("captured", "Captured")
    refunded = credits_column("refunded", "Refunded")
    lots = column(lambda hold: lots_text(hold), "Lots it took from")
    operation = words_column("operation", "Operation")
    model = id_column("model_id", "Model")
    list_display = ("number", person, state, operation, credits, captured, model, "created_at", "expires_at")
    list_filter = ("status", "operation", "created_at")
    fields = (
        *("public_id", person, state, operation, "model_id", "parameters", credits, captured, refunded, lots),
        *(
            "reference_id",
            "idempotency_key",
            "high_priority",
            "capture_entry",
            "refund_entry",
            "created_at",
            "expires_at",
        ),
    )


class UsageDayAdmin(LedgerAdmin):
    person = user_column("account.user")
    credits = credits_column("credits", "Spent")
    operation = words_column("operation", "Operation")
    model = column(lambda day: day.model_id or None, "Model")
    list_display = ("day_date", person, operation, model, "captures", credits)
    list_filter = ("operation", "day_date")
    ordering = ("-account_id", "-day_date", "-operation", "-model_id")
    fields = ("day_date", person, operation, model, "captures", credits)


EntryAdmin.register(Entry)
GrantAdmin.register(Grant)
HoldAdmin.register(Hold)
UsageDayAdmin.register(UsageDay)


def lots_text(row: Entry | Hold) -> str:
    """Return the receipt of a hold or an entry: which lots gave how much."""
    lots = zip(row.lot_numbers or (), row.lot_credits or (), strict=False)
    return ", ".join(f"{plain_credits(credits)} from lot {number}" for number, credits in lots)
