"""Files and what they cost, to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from media import metering
from media.backoffice import STEP_TONES
from media.models import Asset, StorageAccount, StorageDay, StorageEvent
from smartspec.admin import (
    CompositeKeyAdmin,
    HugeAdmin,
    ReadOnlyAdmin,
    UserSearchMixin,
    badge_column,
    column,
    credits_column,
    id_column,
    list_link,
    user_column,
)

STATUS_COLOURS = {"uploading": "info", "stored": "success", "deleted": "", "expired": "warning"}


def bytes_column(field: str, title: str) -> Any:
    """Return a column of bytes, written in the unit of the quota: 3.2 MB."""
    return column(lambda row: metering.megabytes(getattr(row, field)), title)


class MediaAdmin(UserSearchMixin, HugeAdmin):
    """A long list: rows are found by their user or their id, and only then filtered."""

    user_field = "user_id"
    list_select_related = ("user",)


@admin.register(Asset)
class AssetAdmin(MediaAdmin):
    search_fields = ("id", "key", "reference_id")
    search_help_text = "E-mail, name or id of a user, or an asset's id, key or reference. Then filters appear."
    person = user_column()
    state = badge_column(lambda asset: asset.status, "Status", STATUS_COLOURS)
    size = bytes_column("size_bytes", "Size")
    short_id = column(lambda asset: str(asset.pk)[:8], "File")
    reference = id_column("reference_id", "Reference")
    list_display = (short_id, person, "kind", "content_type", size, state, reference, "created_at")
    list_filter = ("kind", "status", "created_at")
    ordering = ("-user_id", "-number")
    fields = (
        *("id", person, state, "kind", "content_type", "filename", "key", size, "size_bytes", "reference_id"),
        *("number", "created_at", "upload_expires_at", "stored_at", "ended_at", "cleaned_at"),
    )


class UnpaidFilter(admin.SimpleListFilter):
    title = "unpaid"
    parameter_name = "unpaid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        steps = [(step.value, step.label) for step in StorageAccount.Step if step != StorageAccount.Step.NONE]
        return [("any", "Any"), *steps]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StorageAccount]) -> QuerySet[StorageAccount]:
        if self.value() is None:
            return queryset
        unpaid = queryset.filter(unpaid_since__isnull=False)
        return unpaid if self.value() == "any" else unpaid.filter(step=self.value())


@admin.register(StorageAccount)
class StorageAccountAdmin(UserSearchMixin, ReadOnlyAdmin):
    user_field = "user_id"
    search_fields = ("user",)
    list_select_related = ("user",)
    search_help_text = "E-mail, name or id of a user. At most 10,000 rows are listed."
    sortable_by = ()
    person = user_column()
    used = bytes_column("used_bytes", "In the quota")
    stored = bytes_column("stored_bytes", "Stored")
    billed = credits_column("billed_credits", "Billed")
    paid = credits_column("paid_credits", "Paid")
    arrears = credits_column("arrears_credits", "Arrears")
    ladder = badge_column(lambda account: account.step if account.unpaid_since else "paid", "Ladder", STEP_TONES)
    list_display = ("user", used, stored, billed, arrears, ladder, "unpaid_since")
    list_filter = (UnpaidFilter,)
    ordering = ("pk",)
    fields = (person, used, stored, billed, paid, arrears, ladder, "unpaid_since", "metered_at", "more")

    @admin.display(description="More")
    def more(self, account: StorageAccount) -> SafeString:
        lists = {"asset": "Files", "storageday": "Days", "storageevent": "Events"}
        links = ((list_link(f"media_{name}", account.user_id, title),) for name, title in lists.items())
        return format_html_join(" · ", "{}", links)


class StorageDayAdmin(UserSearchMixin, CompositeKeyAdmin):
    user_field = "user_id"
    search_fields = ("user",)
    search_help_text = "E-mail, name or id of a user. Then filters appear."
    list_select_related = ("user",)
    person = user_column()
    average = column(lambda day: f"{metering.average_gb(day.byte_seconds).normalize():f}", "GB on average")
    charged = credits_column("credits", "Cost")
    paid = credits_column("paid_credits", "Paid that day")
    list_display = ("day_date", person, average, charged, paid, "billed_at")
    list_filter = ("day_date",)
    ordering = ("-user_id", "-day_date")
    fields = ("day_date", person, average, "byte_seconds", charged, paid, "billed_at")


StorageDayAdmin.register(StorageDay)


@admin.register(StorageEvent)
class StorageEventAdmin(MediaAdmin):
    search_fields = ()
    search_help_text = "E-mail, name or id of a user. Then filters appear."
    person = user_column()
    state = badge_column(lambda event: event.kind, "Step", STEP_TONES)
    arrears = credits_column("arrears_credits", "Owed")
    list_display = ("happened_at", person, state, arrears, "unpaid_since")
    list_filter = ("kind", "happened_at")
    ordering = ("-pk",)
    fields = ("happened_at", person, state, arrears, "unpaid_since")
