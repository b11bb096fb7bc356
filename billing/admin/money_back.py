"""Money that went back: refunds and disputes, and the credits that they took."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from billing.models import Clawback, Dispute, Refund
from credits import selectors as credits_selectors
from smartspec.admin import (
    ReadOnlyAdmin,
    UserSearchMixin,
    badge_column,
    column,
    credits_column,
    cut,
    find_user_ids,
    id_column,
    money_column,
    user_column,
)

REFUND_COLOURS = {
    "requested": "info",
    "pending": "info",
    "requires_action": "warning",
    "succeeded": "success",
    "refused": "danger",
    "failed": "danger",
}
DISPUTE_COLOURS = {
    "inquiry_needs_response": "warning",
    "inquiry_under_review": "info",
    "needs_response": "danger",
    "under_review": "warning",
    "won": "success",
    "lost": "danger",
}


class ClawbackInline(TabularInline):
    model = Clawback
    taken = credits_column("taken_credits", "Taken")
    returned = credits_column("returned_credits", "Given again")
    expired = credits_column("expired_credits", "Expired, not owed")
    fields = ("kind", "source", taken, returned, expired)
    readonly_fields = fields
    can_delete = False
    max_num = 0
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # whoever may look at the refund or dispute may see what it took


@admin.register(Refund)
class RefundAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "refund_id", "payment_intent_id", "purchase", "invoice")
    person = user_column()
    state = badge_column(lambda refund: refund.status, "State", REFUND_COLOURS, "status")
    amount = money_column("amount_cents", "Refunded")
    short_id = column(lambda refund: cut(refund.refund_id or refund.pk), "Refund")
    keeps = column(lambda refund: "keeps them" if refund.keep_credits else "taken back", "Credits")
    list_display = (short_id, person, amount, state, keeps, id_column("actor", "By"), "created_at")
    list_filter = ("status", "keep_credits", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = (
        *("id", "refund_id", person, state, amount, keeps, "reason", "actor"),
        *("purchase", "invoice", "payment_intent_id", "idempotency_key", "created_at"),
    )
    inlines = (ClawbackInline,)


@admin.register(Dispute)
class DisputeAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id", "payment_intent_id", "purchase", "invoice")
    person = user_column()
    state = badge_column(lambda dispute: state_words(dispute), "State", DISPUTE_COLOURS, "status")
    amount = money_column("amount_cents", "Disputed")
    freeze = badge_column(
        lambda dispute: freeze_state(dispute),
        "Account",
        {"frozen": "danger", "thawed": "success"},
    )
    list_display = (id_column("id", "Dispute"), person, amount, state, freeze, "evidence_due_at")
    list_filter = ("status", "reason", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = (
        *("id", person, state, amount, "reason", "evidence_due_at", "is_reinstated", freeze, "frozen_at"),
        *("purchase", "invoice", "payment_intent_id", "created_at"),
    )
    inlines = (ClawbackInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        causes = credits_selectors.frozen_causes_of(OuterRef("user_id"))
        return super().get_queryset(request).annotate(frozen_causes=causes)


def state_words(dispute: Dispute) -> str:
    """Return where it stands. What Stripe calls a warning is an inquiry of the bank."""
    return dispute.status.replace("warning_", "inquiry_", 1)


def freeze_state(dispute: Any) -> str:
    """Tell what became of the freeze; staff may have lifted it, which only the account knows."""
    if dispute.frozen_at is None:
        return ""
    return "frozen" if f"dispute:{dispute.pk}" in (dispute.frozen_causes or ()) else "thawed"


@admin.register(Clawback)
class ClawbackAdmin(UserSearchMixin, ReadOnlyAdmin):
    user_field = ""  # it may be a refund's or a dispute's
    search_fields = ("refund", "dispute", "source")
    search_help_text = "E-mail, name or id of a user, or the source of a lot. At most 10,000 rows are listed."
    person = user_column("cause.user")
    taken = credits_column("taken_credits", "Taken")
    returned = credits_column("returned_credits", "Given again")
    expired = credits_column("expired_credits", "Expired, not owed")
    of = column(lambda clawback: clawback.refund or clawback.dispute, "Because of")
    list_display = ("id", person, of, "kind", id_column("source", "Source"), taken, returned, expired)
    list_filter = ("kind",)
    list_select_related = ("refund__user", "dispute__user")
    ordering = ("-id",)
    fields = (person, "refund", "dispute", "kind", "source", taken, returned, expired, "attempts")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, is_doubled = super().get_search_results(request, queryset, search_term)
        if term := search_term.strip():
            user_ids = find_user_ids(term)
            found |= queryset.filter(Q(refund__user__in=user_ids) | Q(dispute__user__in=user_ids))
        return found, is_doubled
