"""The queue's jobs."""

from django.contrib import admin
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob
from unfold.admin import TabularInline

from smartspec.admin.columns import badge_column
from smartspec.admin.lists import ReadOnlyAdmin

JOB_COLOURS = {"todo": "info", "doing": "primary", "succeeded": "success", "failed": "danger", "aborted": "warning"}


class EventInline(TabularInline):
    model = ProcrastinateEvent
    fields = ("at", "type")
    readonly_fields = fields
    ordering = ("-at",)
    can_delete = False
    max_num = 0
    extra = 0


# Procrastinate's own pages let anybody who may look at jobs retry, cancel and abort them.
admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin):
    state = badge_column(lambda job: job.status, "State", JOB_COLOURS, "status")
    list_display = ("id", "task_name", state, "queue_name", "attempts", "scheduled_at", "lock")
    list_filter = ("status", "queue_name")
    ordering = ("-id",)
    fields = (
        "id",
        "task_name",
        state,
        "queue_name",
        "args",
        "lock",
        "queueing_lock",
        "priority",
        "attempts",
        "scheduled_at",
    )
    inlines = (EventInline,)
