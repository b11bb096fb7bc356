"""Where stored webhooks stand: what we noted of them, and what the queue says of their jobs."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Webhook, WebhookRefusal
from smartspec.models import JobFailure

ALIVE = ("todo", "doing")


class WebhookState(StrEnum):
    """Failed is tried again by itself; dead is not."""

    RECEIVED = "received"  # nothing follows from events of its type
    QUEUED = "queued"
    PROCESSED = "processed"
    FAILED = "failed"
    DEAD = "dead"
    IGNORED = "ignored"


NOT_DONE = Q(processed_at__isnull=True, ignored_at__isnull=True, job_id__isnull=False)
# What is known without the queue; it narrows by an index what the queue is asked about.
NARROWED = {
    WebhookState.RECEIVED: Q(job_id__isnull=True, ignored_at__isnull=True),
    WebhookState.QUEUED: NOT_DONE,
    WebhookState.PROCESSED: Q(processed_at__isnull=False, ignored_at__isnull=True),
    WebhookState.FAILED: NOT_DONE,
    WebhookState.DEAD: NOT_DONE,
    WebhookState.IGNORED: Q(ignored_at__isnull=False),
}


def with_state(webhooks: QuerySet[Webhook]) -> QuerySet[Any]:
    """Return webhooks with their `state`, and with `failures`: how often their present job has failed."""
    failures = JobFailure.objects.filter(pk=OuterRef("job_id")).values("attempts")[:1]
    is_alive = Exists(ProcrastinateJob.objects.filter(pk=OuterRef("job_id"), status__in=ALIVE))
    return webhooks.annotate(
        failures=Coalesce(Subquery(failures), 0, output_field=IntegerField()),
        is_alive=is_alive,
        state=Case(
            When(ignored_at__isnull=False, then=Value(WebhookState.IGNORED)),
            When(processed_at__isnull=False, then=Value(WebhookState.PROCESSED)),
            When(job_id__isnull=True, then=Value(WebhookState.RECEIVED)),
            When(is_alive=False, then=Value(WebhookState.DEAD)),
            When(failures__gt=0, then=Value(WebhookState.FAILED)),
            default=Value(WebhookState.QUEUED),
        ),
        attempts=F("failures") + Case(When(processed_at__isnull=False, then=1), default=0),
    )


def webhooks_in_state(webhooks: QuerySet[Any], state: WebhookState) -> QuerySet[Any]:
    """Return those of `webhooks` (see `with_state`) that are in a state."""
    narrowed = webhooks.filter(NARROWED[state])
    if NARROWED[state] == NOT_DONE:
        return narrowed.filter(state=state)
    return narrowed


def count_refusals_of_a_day(*, now: datetime) -> dict[str, int]:
    """Return how many calls were refused within the last 24 hours, by cause, the most frequent first."""
    counted = WebhookRefusal.objects.filter(minute_at__gt=now - timedelta(days=1)).values("cause").order_by()
    return dict(counted.annotate(calls=Sum("count")).order_by("-calls").values_list("cause", "calls"))


def count_webhooks_in_trouble() -> dict[WebhookState, int]:
    """Return how many webhooks failed (and are tried again), and how many are dead."""
    open_webhooks = with_state(Webhook.objects.filter(NOT_DONE))
    return {state: open_webhooks.filter(state=state).count() for state in (WebhookState.FAILED, WebhookState.DEAD)}


def count_open_webhooks() -> dict[WebhookState, int]:
    """Return how many webhooks still wait for their effect, or for a person, by state."""
    states = with_state(Webhook.objects.filter(NOT_DONE)).values_list("state")
    counted = dict(states.annotate(webhooks=Count("pk")).order_by())
    return {state: counted.get(state, 0) for state in (WebhookState.QUEUED, WebhookState.FAILED, WebhookState.DEAD)}
