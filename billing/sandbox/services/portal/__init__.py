"""The Customer Portal: its configurations, its short-lived sessions, and what customers do there."""

from billing.sandbox.services.portal.configuring import create_configuration, create_session, update_configuration
from billing.sandbox.services.portal.switching import (
    Switch,
    Switched,
    find_scheduled,
    keep_plan,
    list_prices,
    preview_switch,
    switch_plan,
)
from billing.sandbox.services.portal.visiting import (
    add_card,
    allowed_details,
    cancel_subscription,
    change_details,
    default_payment_method,
    find_session,
    get_configuration,
    list_invoices,
    list_payment_methods,
    list_subscriptions,
    remove_payment_method,
    resume_subscription,
    set_default_payment_method,
)

__all__ = [
    "Switch",
    "Switched",
    "add_card",
    "allowed_details",
    "cancel_subscription",
    "change_details",
    "create_configuration",
    "create_session",
    "default_payment_method",
    "find_scheduled",
    "find_session",
    "get_configuration",
    "keep_plan",
    "list_invoices",
    "list_payment_methods",
    "list_prices",
    "list_subscriptions",
    "preview_switch",
    "remove_payment_method",
    "resume_subscription",
    "set_default_payment_method",
    "switch_plan",
    "update_configuration",
]
