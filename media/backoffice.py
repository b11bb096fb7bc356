"""What generated media contributes to the back-office: what a person's files occupy and owe, and the ladder's steps."""

from collections.abc import Iterable
from datetime import datetime

from django.urls import reverse

from media import metering, selectors, services
from smartspec import backoffice
from smartspec.admin import badge, list_link, plain_credits
from smartspec.backoffice import Line, Panel, Task
from smartspec.users.models import User

STEP_TONES = {"warned": "warning", "uploads_stopped": "danger", "files_deleted": "danger", "paid": "success"}


@backoffice.panels(right="media.view_asset", order=60)
def files(user: User, now: datetime) -> list[Panel]:
    """What their files occupy, against the quota, and what of it is not paid."""
    usage = selectors.get_usage(user_id=user.pk, now=now)
    step = badge(usage.step.replace("_", " "), STEP_TONES[usage.step]) if usage.step in STEP_TONES else "paid"
    row = (
        list_link("media_asset", user.pk, f"{usage.objects:,} files"),
        f"{metering.megabytes(usage.used_bytes)} of {metering.megabytes(usage.quota_bytes)}",
        plain_credits(usage.estimated_monthly_credits),
        plain_credits(usage.arrears_credits),
        f"{usage.unpaid_since:%Y-%m-%d}" if usage.unpaid_since else "–",
        step,
    )
    columns = ("Media", "Occupied", "Credits a month", "Not paid", "Since", "State")
    return [Panel("Media", columns, [row])]


@backoffice.timeline(right="media.view_storageevent", order=77)
def storage(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Storage that could not be paid: warned, stopped, deleted, paid."""
    for event in selectors.list_storage_events(user_id=user.pk, until=until, limit=limit):
        yield Line(
            at=event.happened_at,
            title=f"Storage: {event.get_kind_display().lower()}",
            detail=f"{plain_credits(event.arrears_credits)} credits not paid since {event.unpaid_since:%Y-%m-%d}",
            tone=STEP_TONES[event.kind],
        )


@backoffice.tasks(right="media.view_storageaccount", order=60)
def unpaid(now: datetime) -> list[Task]:
    """Accounts whose storage is unpaid."""
    url = f"{reverse('admin:media_storageaccount_changelist')}?unpaid=any"
    stop, delete = services.UPLOADS_STOP_AFTER.days, services.FILES_DELETED_AFTER.days
    hint = f"They are mailed; after {stop} days uploads stop, after {delete} their files are deleted."
    return [Task("Accounts with unpaid storage", selectors.count_unpaid_accounts(), url, hint)]
