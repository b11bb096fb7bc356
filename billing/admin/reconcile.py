"""What comparisons of our books with Stripe's found."""

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from billing.models import ReconcileRun
from smartspec.admin import ReadOnlyAdmin, badge_column

RUN_COLOURS = {"clean": "success", "differences": "danger", "not_finished": "warning"}


def run_state(run: ReconcileRun) -> str:
    if run.finished_at is None:
        return "not_finished"
    return "differences" if run.remaining else "clean"


@admin.register(ReconcileRun)
class ReconcileRunAdmin(ReadOnlyAdmin):
    state = badge_column(run_state, "State", RUN_COLOURS)
    list_display = ("started_at", state, "checked", "repaired", "remaining", "since_at", "until_at", "finished_at")
    list_filter = ("started_at",)
    ordering = ("-started_at", "-id")
    fields = (
        *("started_at", "finished_at", state, "since_at", "until_at", "checked", "repaired", "remaining"),
        "found",
    )

    @admin.display(description="Differences")
    def found(self, run: ReconcileRun) -> SafeString | None:
        if not run.differences:
            return None
        rows = [[found["kind"], found["object_id"], found["user_id"], found["detail"]] for found in run.differences]
        table = {"headers": ["What", "Object", "User", "Detail"], "rows": rows}
        return render_to_string("unfold/components/table.html", {"table": table, "card_included": 1})
