"""What the other modules of a subscription share: writing it with its items, its periods and its lines."""

import copy
from datetime import datetime, timedelta
from typing import Any

from billing.sandbox import periods, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, ResourceMissing
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.objects import subscription as subscription_objects
from billing.sandbox.objects.product import amount_of
from billing.sandbox.services import events, products
from billing.sandbox.services.subscriptions import discounting

Data = dict[str, Any]

ENDED = {"canceled", "incomplete_expired"}
RENEWED = {"trialing", "active", "past_due"}
INCOMPLETE_FOR = timedelta(hours=23)
# Stripe says these things so long ahead; for invoices the account's settings may say otherwise.
UPCOMING_BEFORE = int(timedelta(days=7).total_seconds())
TRIAL_ENDS_BEFORE = int(timedelta(days=3).total_seconds())
UPCOMING, TRIAL_ENDS = "told_of_invoice", "told_of_trial"


def save_subscription(subscription: Data) -> Data:
    """This will write a subscription and the rows of its items, which are found by their own ids too."""
    items = subscription["items"]["data"]
    subscription["items"]["total_count"] = len(items)
    store.save(subscription)
    stored = {row.id for row in store.rows("subscription_item", subscription=subscription["id"])}
    for item in items:
        if item["id"] in stored:
            store.save(item)
        else:
            store.add(item)
    for item_id in stored - {item["id"] for item in items}:
        store.mark_deleted("subscription_item", item_id)
    store.set_due(subscription["id"], due_at(subscription))
    return subscription


def due_at(subscription: Data) -> datetime | None:
    """This will return when time next changes the subscription by itself, or None."""
    if subscription["status"] in ENDED:
        return None
    moments = [subscription["cancel_at"]]
    if subscription["status"] == "incomplete":
        moments.append(incomplete_until(subscription))
    if subscription["status"] in RENEWED:
        moments.append(min(item["current_period_end"] for item in subscription["items"]["data"]))
    moments += [moment for _, moment, _ in announcements(subscription)]
    if subscription["pending_update"]:
        moments.append(subscription["pending_update"]["expires_at"])
    due = [moment for moment in moments if moment]
    return store.moment(min(due)) if due else None


def announcements(subscription: Data) -> list[tuple[str, int, int]]:
    """This will return what is still to be said ahead of time: its name, when, and which moment it is about."""
    if subscription["status"] not in RENEWED or not subscription["items"]["data"]:
        return []
    start, end = period_of(subscription)
    told = store.get_private(subscription["id"])
    found = []
    if not ends_with_period(subscription) and end - start > UPCOMING_BEFORE:
        found.append((UPCOMING, end - UPCOMING_BEFORE, end))
    if subscription["status"] == "trialing":
        trial_end = subscription["trial_end"]
        found.append((TRIAL_ENDS, max(subscription["trial_start"], trial_end - TRIAL_ENDS_BEFORE), trial_end))
    return [one for one in found if told.get(one[0]) != one[2]]


def incomplete_until(subscription: Data) -> int:
    """This will return when a first invoice that nobody pays ends the subscription."""
    return int(subscription["created"] + INCOMPLETE_FOR.total_seconds())


def update(subscription: Data, *, before: Data, now: datetime) -> Data:
    """This will save a changed subscription and emit `customer.subscription.updated`."""
    if subscription != before:
        save_subscription(subscription)
        events.emit("customer.subscription.updated", subscription, now=now, before=before)
    return subscription


def lock_subscription(subscription_id: str, *, param: str = "id") -> Data:
    return store.lock("subscription", subscription_id, param=param)


def resolve_items(wanted: list[Data], *, now: datetime, param: str = "items") -> list[tuple[Data, int, Data]]:
    """This will return price, quantity and the rest of each item that a request names.

    :raises ParameterInvalid: for a price that is no subscription's.
    """
    resolved = []
    for index, item in enumerate(wanted):
        name = f"{param}[{index}]"
        resolved.append((resolve_price(item, param=name, now=now), int(item.get("quantity", 1)), item))
    return resolved


def resolve_price(item: Data, *, param: str, now: datetime) -> Data:
    """This will return the recurring price of an item, made at once when it came as `price_data`.

    :raises ParameterInvalid: for one that was archived, or is no subscription's.
    """
    if isinstance(item.get("price"), dict):
        # The phase of a schedule, agreed on when its price was still sold.
        return dict(item["price"])
    if "price_data" in item:
        price, _ = products.create_inline_price(item["price_data"], now=now)
    elif price_id := item.get("price") or item.get("plan"):
        price = store.get("price", price_id, param=f"{param}[price]", status=400)
        if not price["active"]:
            raise ParameterInvalid(
                f"{param}[price]",
                "The price specified is inactive. This field only accepts active prices.",
            )
    else:
        raise ParameterMissing(f"{param}[price]")
    if price["recurring"] is None:
        raise ParameterInvalid(
            f"{param}[price]",
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
        )
    return price


def product_name(price: Data) -> str:
    """This will return what the price's product is called."""
    product = store.find_any(price["product"])
    if product is None:
        raise ResourceMissing("product", price["product"])
    return str(product["name"])


def period_line(subscription: Data, item: Data) -> Data:
    """This will return the invoice line for the item's current period, bought in advance."""
    price = item["price"]
    quantity = item["quantity"]
    unit = f"${amount_of(price, 1) / 100:.2f} / {_spoken_interval(price)}"
    return {
        "amount": amount_of(price, quantity),
        "currency": price["currency"],
        "description": f"{quantity} × {product_name(price)} (at {unit})",
        "price": price,
        "quantity": quantity,
        "period_start": item["current_period_start"],
        "period_end": item["current_period_end"],
        "metadata": dict(subscription["metadata"]) | item["metadata"],
        "subscription": subscription["id"],
        "parent": invoice_objects.subscription_item_parent(
            subscription=subscription["id"], item=item["id"], proration=False
        ),
    }


def proration_line(subscription: Data, item: Data, *, at: int, is_credit: bool) -> Data:
    """This will return the line for the rest of the item's period from `at` on: owed back, or owed."""
    price, quantity = item["price"], item["quantity"]
    start, end = item["current_period_start"], item["current_period_end"]
    whole = discounting.net_price(subscription, item, amount=amount_of(price, quantity), at=at, is_credit=is_credit)
    length = max(1, end - start)
    share = (whole * (end - at) * 2 + length) // (2 * length)  # rounded half up to the cent
    name = f"{quantity} × {product_name(price)}" if quantity != 1 else product_name(price)
    spoken = "Unused" if is_credit else "Remaining"
    return {
        "amount": -share if is_credit else share,
        "currency": price["currency"],
        "description": f"{spoken} time on {name} after {periods.spoken_date(at)}",
        "price": price,
        "quantity": quantity,
        "period_start": at,
        "period_end": end,
        "metadata": dict(subscription["metadata"]) | item["metadata"],
        "subscription": subscription["id"],
        "parent": invoice_objects.subscription_item_parent(
            subscription=subscription["id"], item=item["id"], proration=True
        ),
    }


def new_items(subscription: Data, resolved: list[tuple[Data, int, Data]], *, start: int, now: datetime) -> list[Data]:
    """This will build the items of a new subscription; their first periods begin at `start`."""
    return [
        subscription_objects.new_item(
            subscription=subscription["id"],
            price=price,
            quantity=quantity,
            period_start=start,
            period_end=periods.add_interval(
                start, interval=price["recurring"]["interval"], count=price["recurring"]["interval_count"]
            ),
            metadata=dict(item.get("metadata") or {}),
            now=store.timestamp(now),
        )
        for price, quantity, item in resolved
    ]


def period_of(subscription: Data) -> tuple[int, int]:
    """This will return the subscription's period: its first item's."""
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def ends_with_period(subscription: Data) -> bool:
    """This will say whether the subscription was told to end with its present period, or before."""
    return subscription["cancel_at"] is not None and subscription["cancel_at"] <= period_of(subscription)[1]


def copy_of(subscription: Data) -> Data:
    return copy.deepcopy(subscription)


def _spoken_interval(price: Data) -> str:
    count = price["recurring"]["interval_count"]
    interval = str(price["recurring"]["interval"])
    return interval if count == 1 else f"{count} {interval}s"
