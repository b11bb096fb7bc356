"""Events, and the deliveries that they cause."""

import contextlib
import contextvars
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procrastinate.contrib.django import app

from billing.sandbox import changes, store
from billing.sandbox.models import Delivery
from billing.sandbox.objects import event as event_objects
from billing.sandbox.services import faults


@dataclass(frozen=True)
class RequestOrigin:
    """The API request that causes what happens now; events name it."""

    request_id: str | None = None
    idempotency_key: str | None = None


NOBODY = RequestOrigin()
origin: contextvars.ContextVar[RequestOrigin] = contextvars.ContextVar("stripe_sandbox_origin", default=NOBODY)


@contextlib.contextmanager
def by_themselves() -> Iterator[None]:
    """This will have what happens named as Stripe's own doing (`request.id` is null), whoever is asking meanwhile."""
    token = origin.set(NOBODY)
    try:
        yield
    finally:
        origin.reset(token)


def emit(
    event_type: str, data: dict[str, Any], *, now: datetime, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """This will store an event about the object as it is now and put its deliveries on the queue.

    With `before` the event says what was changed. All of it commits with the change itself.
    """
    previous = None if before is None else changes.previous_attributes(before, data)
    request = origin.get()
    event = event_objects.new_event(
        event_type=event_type,
        data=copy.deepcopy(data),
        previous=previous,
        request_id=request.request_id,
        idempotency_key=request.idempotency_key,
        now=store.timestamp(now),
    )
    endpoints = [
        endpoint for endpoint in store.find("webhook_endpoint", status="enabled") if listens(endpoint, event_type)
    ]
    event["pending_webhooks"] = len(endpoints)
    store.add(event)
    for endpoint in reversed(endpoints):
        plan = faults.plan_delivery(event_type)
        state = Delivery.State.DROPPED if plan.is_dropped else Delivery.State.WAITING
        delivery = Delivery.objects.create(
            event_id=event["id"], endpoint_id=endpoint["id"], state=state, created_at=now
        )
        if not plan.is_dropped:
            for copy_number in range(plan.copies):
                enqueue_delivery(
                    delivery.pk, in_seconds=plan.in_seconds, priority=plan.priority, is_repeat=copy_number > 0
                )
    return event


def update(data: dict[str, Any], *, before: dict[str, Any], event_type: str, now: datetime) -> dict[str, Any]:
    """This will save a changed object and emit its event; nothing is said where nothing changed."""
    if data != before:
        store.save(data)
        emit(event_type, data, now=now, before=before)
    return data


def listens(endpoint: dict[str, Any], event_type: str) -> bool:
    """This will say whether an endpoint wants events of this type."""
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]


def enqueue_delivery(delivery_id: int, *, in_seconds: int = 0, priority: int = 0, is_repeat: bool = False) -> None:
    """This will put one delivery on the queue, in the transaction of the caller; a repeat is sent come what may."""
    # By name: the task calls services, so that services cannot import it.
    wait: dict[str, Any] = {"schedule_in": {"seconds": in_seconds}} if in_seconds else {}
    if priority:
        wait["priority"] = priority
    arguments: dict[str, Any] = {"delivery_id": delivery_id} | ({"is_repeat": True} if is_repeat else {})
    app.configure_task(name="billing.sandbox.tasks.deliver_event", queue="sandbox", **wait).defer(**arguments)
