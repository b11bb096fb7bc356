from typing import Any

from billing.sandbox import ids

API_VERSION = "2026-08-26.dahlia"


def new_event(
    *,
    event_type: str,
    data: dict[str, Any],
    previous: dict[str, Any] | None,
    request_id: str | None,
    idempotency_key: str | None,
    now: int,
) -> dict[str, Any]:
    return {
        "id": ids.new_id("event"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": {"object": data} | ({"previous_attributes": previous} if previous is not None else {}),
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": request_id, "idempotency_key": idempotency_key},
        "type": event_type,
    }


def new_webhook_endpoint(
    *, url: str, enabled_events: list[str], now: int, endpoint_id: str | None = None
) -> dict[str, Any]:
    return {
        "id": endpoint_id or ids.new_id("webhook_endpoint"),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
