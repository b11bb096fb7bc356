"""The queue's jobs."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob
from unfold.admin import TabularInline

from smartspec import clock, jobs
from smartspec.admin.actions import RowAction, RowActionsMixin
from smartspec.admin.columns import badge_column, column, preformatted
from smartspec.admin.lists import ReadOnlyAdmin
from smartspec.models import JobFailure
from smartspec.users import services

JOB_COLOURS = {
    "waiting": "info",
    "running": "primary",
    "to_be_tried_again": "warning",
    "given_up": "danger",
    "aborted": "warning",
}
JOB_WORDS = {"todo": "waiting", "doing": "running", "failed": "given_up", "cancelled": "ignored"}


def job_state(job: ProcrastinateJob) -> str:
    if job.status == "todo" and job.attempts:
        return "to_be_tried_again"
    return JOB_WORDS.get(job.status, job.status)


def failure_of(job: ProcrastinateJob, field: str) -> str | None:
    return JobFailure.objects.filter(pk=job.pk).values_list(field, flat=True).first()


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


class JobStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = {"failed": "Given up", "waiting": "To be tried again", "todo": "Waiting", "doing": "Running"}
        return [*words.items(), ("cancelled", "Ignored")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        if state == "waiting":
            return queryset.filter(status="todo", attempts__gt=0)
        return queryset.filter(status=state) if state else queryset


def ignore(job: ProcrastinateJob, staff: services.Staff) -> str:
    jobs.ignore_job(staff=staff, job_id=job.pk, now=clock.now())
    return f"Job {job.pk} is ignored from now on."


def start_again(job: ProcrastinateJob, staff: services.Staff) -> str:
    jobs.retry_job(staff=staff, job_id=job.pk, now=clock.now())
    return f"Job {job.pk} is started again."


@admin.register(ProcrastinateJob)
class JobAdmin(RowActionsMixin, ReadOnlyAdmin):
    """What runs, waits or was given up; what is done is gone from here."""

    state = badge_column(job_state, "State", JOB_COLOURS, "status")
    error = column(lambda job: failure_of(job, "error"), "Error")
    list_display = ("id", "task_name", state, "queue_name", "attempts", "scheduled_at", "lock")
    list_filter = (JobStateFilter, "queue_name")
    search_fields = ("id", "lock", "task_name")
    ordering = ("-id",)
    fields = (
        *("id", "task_name", state, "attempts", "scheduled_at", error, "traceback", "arguments"),
        *("queue_name", "lock", "queueing_lock", "priority"),
    )
    inlines = (EventInline,)
    row_actions = (
        RowAction(
            name="retry",
            title="Start again",
            right="smartspec.retry_job",
            sentence="The job runs again as soon as a worker is free. What it did already is not done twice.",
            perform=start_again,
            is_offered=lambda job: job.status == "failed" or (job.status == "todo" and job.scheduled_at is not None),
        ),
        RowAction(
            name="ignore",
            title="Ignore",
            right="smartspec.ignore_job",
            sentence="The job is not tried again, and no longer shown as needing a person. What it should have done"
            " stays undone, unless something else does it.",
            perform=ignore,
            is_offered=lambda job: job.status == "failed" or (job.status == "todo" and job.attempts > 0),
        ),
    )

    @admin.display(description="Traceback")
    def traceback(self, job: ProcrastinateJob) -> SafeString | None:
        text = failure_of(job, "traceback")
        return preformatted(text) if text else None

    @admin.display(description="Arguments")
    def arguments(self, job: ProcrastinateJob) -> SafeString:
        return preformatted(json.dumps(job.args, indent=2, ensure_ascii=False))
