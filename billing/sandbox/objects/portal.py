from typing import Any

from billing.sandbox import ids


def new_configuration(*, now: int, is_default: bool = False) -> dict[str, Any]:
    return {
        "id": ids.new_id("billing_portal.configuration"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": now,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": [], "enabled": False},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True, "payment_method_configuration": None},
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": False,
                    "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"],
                },
                "enabled": True,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_update": {
                "billing_cycle_anchor": None,
                "default_allowed_updates": [],
                "enabled": False,
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": now,
    }


def new_session(
    *,
    configuration: str,
    customer: str,
    return_url: str | None,
    url: str,
    flow: dict[str, Any] | None,
    locale: str | None,
    now: int,
) -> dict[str, Any]:
    return {
        "id": ids.new_id("billing_portal.session"),
        "object": "billing_portal.session",
        "configuration": configuration,
        "created": now,
        "customer": customer,
        "customer_account": None,
        "flow": flow,
        "livemode": False,
        "locale": locale,
        "on_behalf_of": None,
        "return_url": return_url,
        "url": url,
    }
