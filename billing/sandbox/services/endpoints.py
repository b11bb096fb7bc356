"""Webhook endpoints."""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, ids, store
from billing.sandbox.objects import event as event_objects

Data = dict[str, Any]


@transaction.atomic
def create_endpoint(params: Data, *, now: datetime, secret: str | None = None, endpoint_id: str | None = None) -> Data:
    """This will create a webhook endpoint. Only this answer shows its secret, as at Stripe."""
    endpoint = event_objects.new_webhook_endpoint(
        url=params["url"],
        enabled_events=params["enabled_events"],
        endpoint_id=endpoint_id,
        now=store.timestamp(now),
    )
    changes.set_fields(endpoint, params, ("description", "api_version"))
    changes.set_metadata(endpoint, params)
    secret = secret or f"whsec_{ids.new_token(32)}"
    store.add(endpoint, private={"secret": secret})
    return endpoint | {"secret": secret}


@transaction.atomic
def update_endpoint(endpoint_id: str, params: Data, *, now: datetime) -> Data:
    """This will change where events go, which, and whether."""
    endpoint = copy.deepcopy(store.lock("webhook_endpoint", endpoint_id))
    changes.set_fields(endpoint, params, ("description", "enabled_events", "url"))
    changes.set_metadata(endpoint, params)
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    return store.save(endpoint)


@transaction.atomic
def delete_endpoint(endpoint_id: str, *, now: datetime) -> Data:
    """This will delete an endpoint; what is on its way to it is given up."""
    endpoint = store.lock("webhook_endpoint", endpoint_id)
    store.save(endpoint | {"status": "disabled"})
    store.mark_deleted("webhook_endpoint", endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}
