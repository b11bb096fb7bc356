"""The portal's configurations, and its short-lived sessions.

https://docs.stripe.com/customer-management
"""

import copy
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import changes, ids, store
from billing.sandbox.errors import ParameterMissing, ResourceMissing
from billing.sandbox.objects import portal as portal_objects
from billing.sandbox.services import events

Data = dict[str, Any]


@transaction.atomic
def create_configuration(params: Data, *, now: datetime) -> Data:
    """This will create a configuration; the first one becomes the default."""
    is_default = not store.rows("billing_portal.configuration").exists()
    configuration = portal_objects.new_configuration(now=store.timestamp(now), is_default=is_default)
    for feature in configuration["features"].values():
        feature["enabled"] = False
    _change(configuration, params)
    store.add(configuration)
    events.emit("billing_portal.configuration.created", configuration, now=now)
    return configuration


@transaction.atomic
def update_configuration(configuration_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a configuration."""
    before = store.lock("billing_portal.configuration", configuration_id)
    configuration = copy.deepcopy(before)
    _change(configuration, params)
    if configuration != before:
        configuration["updated"] = store.timestamp(now)
    return events.update(configuration, before=before, event_type="billing_portal.configuration.updated", now=now)


@transaction.atomic
def create_session(params: Data, *, now: datetime) -> Data:
    """This will open a portal session; its URL is a secret that works for an hour.

    :raises ResourceMissing: for an unknown customer, configuration or subscription.
    """
    if "customer" not in params:
        raise ParameterMissing("customer")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    if configuration_id := params.get("configuration"):
        store.get("billing_portal.configuration", configuration_id, param="configuration", status=400)
    else:
        configuration_id = _default_configuration(now=now)["id"]
    secret = f"test_{ids.new_token(40)}"
    session = portal_objects.new_session(
        configuration=configuration_id,
        customer=customer["id"],
        return_url=params.get("return_url"),
        url=f"{settings.STRIPE_API_BASE}/portal/{secret}",
        flow=_flow(params["flow_data"], customer["id"]) if params.get("flow_data") else None,
        locale=params.get("locale"),
        now=store.timestamp(now),
    )
    store.add(session, private={"secret": secret})
    events.emit("billing_portal.session.created", session, now=now)
    return session


def _default_configuration(*, now: datetime) -> Data:
    for configuration in store.find("billing_portal.configuration"):
        if configuration["is_default"]:
            return configuration
    return store.add(portal_objects.new_configuration(now=store.timestamp(now), is_default=True))


def _change(configuration: Data, params: Data) -> None:
    changes.set_fields(configuration, params, ("active", "default_return_url", "name"))
    changes.set_metadata(configuration, params)
    configuration["business_profile"] |= params.get("business_profile") or {}
    if "login_page" in params:
        configuration["login_page"]["enabled"] = params["login_page"]["enabled"]
    for name, given in (params.get("features") or {}).items():
        feature = configuration["features"][name]
        for key, value in given.items():
            if key == "schedule_at_period_end":
                feature[key] = {"conditions": value.get("conditions") or []}
            elif key == "products":
                feature[key] = [
                    {"adjustable_quantity": {"enabled": False, "maximum": None, "minimum": 1}} | product
                    for product in value or []
                ]
            elif isinstance(value, dict) and isinstance(feature.get(key), dict):
                feature[key] = feature[key] | value
            else:
                feature[key] = ([] if key == "default_allowed_updates" else None) if value == "" else value


def _flow(given: Data, customer: str) -> Data:
    kind = given["type"]
    after = given.get("after_completion") or {"type": "portal_homepage"}
    flow: Data = {
        "after_completion": {
            "hosted_confirmation": after.get("hosted_confirmation"),
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": kind,
    }
    if kind in ("subscription_cancel", "subscription_update", "subscription_update_confirm"):
        details = given.get(kind)
        if not details or "subscription" not in details:
            raise ParameterMissing(f"flow_data[{kind}][subscription]")
        subscription = store.get("subscription", details["subscription"], status=400)
        if subscription["customer"] != customer:
            raise ResourceMissing("subscription", subscription["id"], f"flow_data[{kind}][subscription]", status=400)
        flow[kind] = {"retention": None} | details if kind == "subscription_cancel" else details
        if kind == "subscription_update_confirm":
            flow[kind] = {"discounts": None} | details
    return flow
