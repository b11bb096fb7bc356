"""What the queue itself contributes: jobs that nobody will try again, and jobs that keep failing."""

from datetime import datetime

from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from smartspec.backoffice.places import tasks
from smartspec.backoffice.words import Task


@tasks(right="procrastinate.view_procrastinatejob", order=60)
def jobs(now: datetime) -> list[Task]:
    """Stuck jobs."""
    jobs = reverse("admin:procrastinate_procrastinatejob_changelist")
    given_up = ProcrastinateJob.objects.filter(status="failed").count()
    failing = ProcrastinateJob.objects.filter(status="todo", attempts__gt=0).count()
    return [
        Task("Jobs were given up", given_up, f"{jobs}?state=failed", "Nobody tries them again by itself.", "danger"),
        Task("Jobs keep failing", failing, f"{jobs}?state=waiting", "They are tried again by themselves.", "warning"),
    ]
