"""Bringing events to webhook endpoints: signed, and again until they are taken."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from billing.sandbox import store
from billing.sandbox.models import Delivery
from billing.sandbox.services import events

HOUR = 3600

# Seconds before the second, third… attempt. Stripe tries for up to three days, at growing distances; the first ones are
# nearer here, since on one machine the server is most often only restarting.
BACKOFF_SECONDS = (10, 60, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR)
ANSWER_CHARACTERS = 1000


def sign(body: bytes, *, secret: str, timestamp: int) -> str:
    """This will return the value of the `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def attempt(*, delivery_id: int, now: datetime) -> bool:
    """This will try one delivery and say whether the endpoint took it; otherwise the next try is put on the queue.

    No lock is held while the endpoint works: the same event may arrive twice, as Stripe's may.
    """
    delivery = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.WAITING).first()
    if delivery is None:
        return True
    endpoint = store.find_any(delivery.endpoint_id)
    if endpoint is None or endpoint["status"] != "enabled":
        _finish(delivery, Delivery.State.GIVEN_UP)
        return False
    status, answer = _post(delivery, endpoint, now=now)
    delivery.attempts += 1
    delivery.latest_status = status or None
    delivery.latest_answer = answer[:ANSWER_CHARACTERS]
    delivery.latest_attempt_at = now
    if 200 <= status < 300:
        _finish(delivery, Delivery.State.DELIVERED)
        return True
    if delivery.attempts > len(BACKOFF_SECONDS):
        _finish(delivery, Delivery.State.GIVEN_UP)
        return False
    with transaction.atomic():
        delivery.save()
        events.enqueue_delivery(delivery.pk, in_seconds=BACKOFF_SECONDS[delivery.attempts - 1])
    return False


def repeat(*, delivery_id: int, now: datetime) -> None:
    """This will send an event once more, whatever became of it before: a duplicate, as Stripe's webhooks have them."""
    delivery = Delivery.objects.get(pk=delivery_id)
    endpoint = store.find_any(delivery.endpoint_id)
    if endpoint is not None and endpoint["status"] == "enabled":
        _post(delivery, endpoint, now=now)


def _post(delivery: Delivery, endpoint: dict[str, Any], *, now: datetime) -> tuple[int, str]:
    """Sign the event and bring it to the endpoint; return the answer's status (0: none came) and text."""
    event = store.get("event", delivery.event_id)
    body = json.dumps(event, indent=2).encode()
    seconds = store.timestamp(now)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(body, secret=store.get_private(endpoint["id"])["secret"], timestamp=seconds),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    post = import_string(settings.STRIPE_SANDBOX_TRANSPORT)
    status, answer = post(endpoint["url"], headers, body)
    return status, answer


def _finish(delivery: Delivery, state: Delivery.State) -> None:
    with transaction.atomic():
        delivery.state = state
        delivery.save()
        if state == Delivery.State.DELIVERED:
            event = store.lock("event", delivery.event_id)
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
            store.save(event)
