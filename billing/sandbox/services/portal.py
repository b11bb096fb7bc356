"""The Customer Portal: its configurations, its short-lived sessions, and what customers do there."""

import copy
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import cards, changes, ids, store
from billing.sandbox.errors import ParameterMissing, ResourceMissing, UnexpectedState
from billing.sandbox.objects import portal as portal_objects
from billing.sandbox.services import clocks, customers, events, payment_methods, subscriptions
from billing.sandbox.services.checkout import CardFields

Data = dict[str, Any]

SESSION_LASTS = timedelta(hours=1)


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


def find_session(secret: str, *, now: datetime) -> Data:
    """This will return the portal session that a URL's secret opens; its hour is one of the customer's clock.

    :raises ResourceMissing: for an unknown secret, or one whose hour is over.
    """
    session = store.find_first("billing_portal.session", private__secret=secret)
    if session is None or clocks.time_of(session["id"], now=now) >= store.moment(session["created"]) + SESSION_LASTS:
        raise ResourceMissing("billing_portal.session", "")
    return session


def get_configuration(session: Data) -> Data:
    """This will return what the session's customer may do."""
    return store.get("billing_portal.configuration", session["configuration"])


def list_subscriptions(session: Data) -> list[Data]:
    """This will return the customer's subscriptions that have not ended, the newest first."""
    found = store.find("subscription", customer=session["customer"])
    return [subscription for subscription in found if subscription["status"] not in subscriptions.ENDED]


def list_payment_methods(session: Data) -> list[Data]:
    """This will return the customer's saved payment methods, the newest first."""
    return store.find("payment_method", customer=session["customer"])


def list_invoices(session: Data) -> list[Data]:
    """This will return the customer's invoices but for drafts, the newest first."""
    return [invoice for invoice in store.find("invoice", customer=session["customer"]) if invoice["status"] != "draft"]


def add_card(*, session: Data, card: CardFields, now: datetime) -> Data:
    """This will save a card and make it the one that every subscription and invoice is paid with.

    :raises CardDeclined: for a card that cannot be or is refused; `param` names the wrong field.
    """
    exp_month, exp_year = cards.parse_expiry(card.expiry)
    address = {"country": card.country or None, "postal_code": card.postal_code or None}
    with transaction.atomic():
        payment_method = payment_methods.create_card(
            number=card.number,
            exp_month=exp_month,
            exp_year=exp_year,
            cvc=card.cvc,
            details={"name": card.name, "email": card.email, "address": address},
            now=now,
        )
        payment_method = payment_methods.attach_payment_method(
            payment_method["id"], customer=session["customer"], now=now
        )
        # The portal's form authenticates a card while it is saved.
        store.set_private(payment_method["id"], is_set_up=True)
        set_default_payment_method(session=session, payment_method_id=payment_method["id"], now=now)
    return payment_method


@transaction.atomic
def set_default_payment_method(*, session: Data, payment_method_id: str, now: datetime) -> Data:
    """This will make a saved card the customer's default, also for subscriptions that had one of their own.

    :raises ResourceMissing: for somebody else's.
    """
    customer = customers.set_default_payment_method(session["customer"], payment_method_id, now=now)
    for subscription in list_subscriptions(session):
        if subscription["default_payment_method"]:
            params = {"default_payment_method": payment_method_id}
            subscriptions.update_subscription(subscription["id"], params, now=now)
    return customer


@transaction.atomic
def remove_payment_method(*, session: Data, payment_method_id: str, now: datetime) -> Data:
    """This will remove a saved card.

    :raises ResourceMissing: for somebody else's.
    :raises UnexpectedState: for the default one while a subscription lives.
    """
    payment_methods.get_owned(payment_method_id, customer=session["customer"], param="payment_method")
    if list_subscriptions(session) and payment_method_id == default_payment_method(session):
        raise UnexpectedState("Your default payment method cannot be removed while you have a subscription.")
    return payment_methods.detach_payment_method(payment_method_id, now=now)


def default_payment_method(session: Data) -> str | None:
    """This will return the id of what the customer pays with."""
    for subscription in list_subscriptions(session):
        if subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    customer = store.get("customer", session["customer"])
    default: str | None = customer["invoice_settings"]["default_payment_method"]
    return default


def cancel_subscription(
    *, session: Data, subscription_id: str, now: datetime, feedback: str | None = None, comment: str | None = None
) -> Data:
    """This will cancel as the configuration says: at the period's end or at once.

    :raises ResourceMissing: for somebody else's subscription.
    :raises UnexpectedState: where the configuration does not allow it.
    """
    _own_subscription(session, subscription_id)
    rule = get_configuration(session)["features"]["subscription_cancel"]
    if not rule["enabled"]:
        raise UnexpectedState("Subscriptions cannot be cancelled in this portal.")
    details = {name: value for name, value in (("feedback", feedback), ("comment", comment)) if value}
    if rule["mode"] == "immediately":
        return subscriptions.cancel_subscription(subscription_id, {"cancellation_details": details}, now=now)
    params = {"cancel_at_period_end": True, "cancellation_details": details}
    return subscriptions.update_subscription(subscription_id, params, now=now)


def resume_subscription(*, session: Data, subscription_id: str, now: datetime) -> Data:
    """This will take a cancellation at the period's end back.

    :raises ResourceMissing: for somebody else's subscription.
    """
    subscription = _own_subscription(session, subscription_id)
    params = {"cancel_at_period_end": False} if subscription["cancel_at_period_end"] else {"cancel_at": ""}
    return subscriptions.update_subscription(subscription_id, params, now=now)


def _own_subscription(session: Data, subscription_id: str) -> Data:
    subscription = store.get("subscription", subscription_id)
    if subscription["customer"] != session["customer"]:
        raise ResourceMissing("subscription", subscription_id)
    return subscription


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
