"""Switching plans in the portal: by the configuration's rules now, or when the paid period ends.

https://docs.stripe.com/customer-management/configure-portal#subscription-management
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.objects.product import amount_of
from billing.sandbox.services import invoices, payments, schedules, subscriptions
from billing.sandbox.services.portal import visiting

Data = dict[str, Any]

INTERVALS = ("day", "week", "month", "year")  # from the shorter to the longer


@dataclass(frozen=True)
class Switch:
    """What another price means: `preview` is the invoice that is due now, None where the change waits for `at`."""

    subscription: Data
    price: Data
    at: int
    preview: Data | None


@dataclass(frozen=True)
class Switched:
    """What came of it; `intent` is the payment that the customer must authenticate, for `requires_authentication`."""

    status: Literal["done", "scheduled", "requires_authentication"]
    intent: str = ""


def list_prices(session: Data, subscription: Data) -> list[Data]:
    """This will return the prices that a subscription may be switched to, as the configuration lists them.

    There are none for one that ends, owes something, or is about to change already.
    """
    rule = visiting.get_configuration(session)["features"]["subscription_update"]
    if not rule["enabled"] or "price" not in rule["default_allowed_updates"] or not _may_change(subscription):
        return []
    current = subscription["items"]["data"][0]["price"]["id"]
    listed = [price for product in rule["products"] or [] for price in product["prices"]]
    found = [store.find_any(price_id) for price_id in listed if price_id != current]
    return [price for price in found if price is not None and price["active"]]


def find_scheduled(subscription: Data) -> tuple[Data, int] | None:
    """This will return the price that a subscription will change to by its schedule, and when."""
    if not subscription["schedule"]:
        return None
    schedule = store.get("subscription_schedule", subscription["schedule"])
    current = schedule["current_phase"]
    later = [phase for phase in schedule["phases"] if current and phase["start_date"] >= current["end_date"]]
    if not later:
        return None
    return store.get("price", later[0]["items"][0]["price"]), later[0]["start_date"]


def preview_switch(*, session: Data, subscription_id: str, price_id: str, now: datetime) -> Switch:
    """This will say what a switch would cost and when it would take effect; nothing changes.

    :raises ResourceMissing: for somebody else's subscription.
    :raises UnexpectedState: for a price that the portal does not offer this subscription.
    """
    subscription = visiting.own_subscription(session, subscription_id)
    price = _require_offered(session, subscription, price_id)
    rule = visiting.get_configuration(session)["features"]["subscription_update"]
    item = subscription["items"]["data"][0]
    if _waits(rule, item, price):
        return Switch(subscription, price, at=item["current_period_end"], preview=None)
    details = _change(subscription, price, rule)
    preview = subscriptions.preview_invoice({"subscription": subscription_id, "subscription_details": details}, now=now)
    return Switch(subscription, price, at=store.timestamp(now), preview=preview)


def switch_plan(*, session: Data, subscription_id: str, price_id: str, now: datetime) -> Switched:
    """This will switch a subscription to another price. A refused card leaves it as it was.

    :raises ResourceMissing: for somebody else's subscription.
    :raises UnexpectedState: for a price that the portal does not offer this subscription.
    :raises CardDeclined: when the card is refused.
    """
    subscription = visiting.own_subscription(session, subscription_id)
    price = _require_offered(session, subscription, price_id)
    rule = visiting.get_configuration(session)["features"]["subscription_update"]
    if _waits(rule, subscription["items"]["data"][0], price):
        _schedule(subscription, price, now=now)
        return Switched("scheduled")
    changed = _change_now(subscription, price, rule, now=now)
    if not changed["pending_update"]:
        return Switched("done")
    payment = invoices.find_default_payment(changed["latest_invoice"])
    intent = store.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None
    if intent is not None and intent["status"] == "requires_action":
        return Switched("requires_authentication", intent["id"])
    invoices.void_invoice(changed["latest_invoice"], now=now)
    if intent is not None:
        payments.raise_if_refused(intent)
    raise UnexpectedState("Your payment method was refused. Your plan has not changed.")


@transaction.atomic
def keep_plan(*, session: Data, subscription_id: str, now: datetime) -> Data:
    """This will take back a switch that waits for the end of the period.

    :raises ResourceMissing: for somebody else's subscription.
    :raises UnexpectedState: when nothing waits.
    """
    subscription = visiting.own_subscription(session, subscription_id)
    if find_scheduled(subscription) is None:
        raise UnexpectedState("Your plan is not about to change.")
    schedules.release_schedule(subscription["schedule"], now=now)
    return store.get("subscription", subscription_id)


def _may_change(subscription: Data) -> bool:
    return bool(
        subscription["status"] in ("active", "trialing")
        and not subscription["cancel_at"]
        and not subscription["schedule"]
        and len(subscription["items"]["data"]) == 1
    )


def _require_offered(session: Data, subscription: Data, price_id: str) -> Data:
    found = next((price for price in list_prices(session, subscription) if price["id"] == price_id), None)
    if found is None:
        raise UnexpectedState("Your subscription cannot be switched to this plan.")
    return found


def _waits(rule: Data, item: Data, price: Data) -> bool:
    """Say whether a condition of `schedule_at_period_end` holds."""
    conditions = {condition["type"] for condition in rule["schedule_at_period_end"]["conditions"]}
    is_less = amount_of(price, item["quantity"]) < amount_of(item["price"], item["quantity"])
    is_shorter = _length(price) < _length(item["price"])
    return ("decreasing_item_amount" in conditions and is_less) or ("shortening_interval" in conditions and is_shorter)


def _length(price: Data) -> tuple[int, int]:
    return INTERVALS.index(price["recurring"]["interval"]), price["recurring"]["interval_count"]


def _change(subscription: Data, price: Data, rule: Data) -> Data:
    change: Data = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "price": price["id"]}],
        "proration_behavior": rule["proration_behavior"],
    }
    if rule["billing_cycle_anchor"]:
        change["billing_cycle_anchor"] = rule["billing_cycle_anchor"]
    if subscription["status"] == "trialing" and rule["trial_update_behavior"] == "end_trial":
        change["trial_end"] = "now"
    return change


@transaction.atomic
def _change_now(subscription: Data, price: Data, rule: Data, *, now: datetime) -> Data:
    params = _change(subscription, price, rule) | {"payment_behavior": "pending_if_incomplete"}
    return subscriptions.update_subscription(subscription["id"], params, now=now)


@transaction.atomic
def _schedule(subscription: Data, price: Data, *, now: datetime) -> None:
    """Let a schedule of two phases make the change: what is paid for as it is, then one period of the new price."""
    schedule = schedules.create_schedule({"from_subscription": subscription["id"]}, now=now)
    current, recurring = schedule["phases"][0], price["recurring"]
    item = subscription["items"]["data"][0]
    phases = [
        {
            "items": [{"price": item["price"]["id"], "quantity": item["quantity"]}],
            "start_date": current["start_date"],
            "end_date": current["end_date"],
            "proration_behavior": "none",
        },
        {
            "items": [{"price": price["id"], "quantity": item["quantity"]}],
            "duration": {"interval": recurring["interval"], "interval_count": recurring["interval_count"]},
            "proration_behavior": "none",
        },
    ]
    schedules.update_schedule(schedule["id"], {"phases": phases, "end_behavior": "release"}, now=now)
