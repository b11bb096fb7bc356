"""The ledger to look at, and the plans and rates to edit."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from credits import selectors, services
from credits.models import Account, Adjustment, Entry, Grant, Hold, Plan, Rate, UsageDay
from smartspec import clock
from smartspec.admin import (
    CompositeKeyAdmin,
    EditedAdmin,
    ReadOnlyAdmin,
    ReasonedModelForm,
    RowAction,
    RowActionsMixin,
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
from smartspec.users import services as users_services

FEATURES = (
    ("basic_support", "Community support"),
    ("image_generation", "Image generation"),
    ("video_generation", "Video generation"),
    ("audio_generation", "Audio generation"),
    ("priority_queue", "Priority queue"),
    ("api_access", "API access"),
    ("email_support", "E-mail support"),
    ("custom_models", "Custom models"),
    ("sla", "Service level agreement"),
    ("dedicated_support", "Dedicated support"),
    ("audit_logs", "Audit logs"),
)
UNITS = {
    Rate.Operation.IMAGE_GENERATION: Rate.Unit.IMAGE,
    Rate.Operation.VIDEO_GENERATION: Rate.Unit.VIDEO,
    Rate.Operation.AUDIO_GENERATION: Rate.Unit.STARTED_30_SECONDS,
    Rate.Operation.STORAGE: Rate.Unit.GB_MONTH,
}
# Which property of a job a modifier of an operation may look at, and how it compares.
MODIFIER_FIELDS = {
    Rate.Operation.IMAGE_GENERATION: ("quality", "equals"),
    Rate.Operation.VIDEO_GENERATION: ("duration_seconds", "above"),
    Rate.Operation.AUDIO_GENERATION: ("duration_seconds", "above"),
}

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
ADJUSTMENT_COLOURS = {"awaiting": "warning", "done": "success", "rejected": "danger"}
HOLD_COLOURS = {"open": "info", "captured": "success", "released": "", "expired": "warning"}


# --- The ledger ---------------------------------------------------------------------------------------------------


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


# --- The catalogue ------------------------------------------------------------------------------------------------


class PlanForm(ReasonedModelForm):
    features = forms.MultipleChoiceField(
        choices=FEATURES, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def clean_monthly_credits(self) -> Decimal:
        credits: Decimal = self.cleaned_data["monthly_credits"]
        if credits < 0:
            raise ValidationError("A plan gives no less than nothing.")
        return credits


@admin.register(Plan)
class PlanAdmin(EditedAdmin):
    """What a plan gives. Its prices are Stripe's, which cannot change; plans come and go with a release."""

    form = PlanForm
    change_form_before_template = "admin/plan_prices.html"  # what Stripe says of its prices
    monthly = credits_column("monthly_credits", "Monthly credits")
    price_monthly = column(
        lambda plan: f"${plan.price_monthly_cents / 100:,.2f}", "Price a month", "price_monthly_cents"
    )
    price_yearly = column(lambda plan: f"${plan.price_yearly_cents / 100:,.2f}", "Price a year", "price_yearly_cents")
    feature_list = column(lambda plan: ", ".join(dict(FEATURES).get(name, name) for name in plan.features), "Features")
    storage = column(lambda plan: f"{plan.max_storage_mb:,} MB", "Storage", "max_storage_mb")
    list_display = ("display_name", "slug", monthly, price_monthly, price_yearly, feature_list, storage)
    ordering = ("position", "slug")
    readonly_fields = ("slug", price_monthly, price_yearly)
    fields = (
        *("slug", "display_name", "description", "monthly_credits", price_monthly, price_yearly),
        *("features", "max_storage_mb", "is_popular", "position"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_by(self, staff: users_services.Staff, row: Plan) -> None:
        services.save_plan(staff=staff, plan=row, now=clock.now())


class RateForm(ReasonedModelForm):
    def clean_effective_from(self) -> Any:
        effective_from = self.cleaned_data["effective_from"]
        if effective_from <= clock.now():
            raise ValidationError("A rate begins in the future: what was priced stays as it was.")
        return effective_from

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        operation = cleaned.get("operation")
        if operation in UNITS:
            self.instance.unit = UNITS[Rate.Operation(operation)]
            if "modifiers" in cleaned:
                try:
                    check_modifiers(cleaned["modifiers"], Rate.Operation(operation))
                except ValidationError as error:
                    self.add_error("modifiers", error)
        return cleaned


def check_modifiers(modifiers: Any, operation: Rate.Operation) -> None:
    """This will let modifiers pass that a price can be computed from.

    :raises ValidationError: they are of another form, or look at something that jobs of this operation do not have.
    """
    if not isinstance(modifiers, list):
        raise ValidationError("Write a list: [] for none.")
    if modifiers and operation not in MODIFIER_FIELDS:
        raise ValidationError("This operation has no modifiers: write [].")
    for modifier in modifiers:
        field, comparison = MODIFIER_FIELDS[operation]
        if not isinstance(modifier, dict) or set(modifier) != {"label", "field", comparison, "percent"}:
            raise ValidationError(f"Each modifier has exactly label, field, {comparison} and percent.")
        if modifier["field"] != field:
            raise ValidationError(f"A modifier of this operation looks at {field}.")
        if not isinstance(modifier["label"], str) or not modifier["label"].strip():
            raise ValidationError("A modifier's label is shown to customers and cannot be empty.")
        if comparison == "equals" and not (isinstance(modifier["equals"], str) and modifier["equals"]):
            raise ValidationError("“equals” is a word, such as “hd”.")
        if comparison == "above" and number(modifier["above"]) < 0:
            raise ValidationError("“above” is a number of seconds, 0 or more.")
        if number(modifier["percent"]) <= -100:
            raise ValidationError("“percent” must leave a price above zero.")


def number(value: Any) -> Decimal:
    """Return a number out of JSON, exactly as written.

    :raises ValidationError: it is none.
    """
    try:
        exact = None if isinstance(value, bool) or not isinstance(value, int | float) else Decimal(str(value))
    except InvalidOperation:
        exact = None
    if exact is None or not exact.is_finite():
        raise ValidationError(f"{value!r} is no number.")
    return exact


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
    formfield_overrides: ClassVar[dict[Any, dict[str, Any]]] = {}

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
