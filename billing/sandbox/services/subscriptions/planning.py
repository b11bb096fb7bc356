"""What a change of a subscription's items means, and what is billed for it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.sandbox import changes, periods, store
from billing.sandbox.errors import ParameterInvalid, ResourceMissing, UnexpectedState
from billing.sandbox.objects import subscription as subscription_objects
from billing.sandbox.objects.product import plan_of
from billing.sandbox.services.subscriptions import state

Data = dict[str, Any]


@dataclass
class Change:
    """What new items mean: the items as they will be, and what is billed for it."""

    items: list[Data]
    prorations: list[Data] = field(default_factory=list)
    period_lines: list[Data] = field(default_factory=list)
    anchor: int | None = None
    proration_date: int | None = None

    @property
    def lines(self) -> list[Data]:
        return [*self.prorations, *self.period_lines]


def plan_change(subscription: Data, params: Data, *, now: datetime) -> Change | None:
    """This will work out what the request's items, anchor and prorations mean; None when they change nothing."""
    items = merge_items(subscription, params.get("items") or [], now=now)
    old_items = subscription["items"]["data"]
    ends_trial = params.get("trial_end") == "now" and subscription["status"] == "trialing"
    restarts = params.get("billing_cycle_anchor") == "now" or ends_trial
    if _summary(items) == _summary(old_items) and not restarts:
        return None
    behavior = params.get("proration_behavior", "create_prorations")
    at = int(params.get("proration_date") or store.timestamp(now))
    start, end = state.period_of(subscription)
    if not start <= at <= end:
        raise ParameterInvalid(
            "proration_date", "The proration date must be within the current billing period of the subscription."
        )
    resets = restarts or interval_of(items[0]) != interval_of(old_items[0])
    change = Change(items=items, proration_date=at)
    in_trial = subscription["status"] == "trialing"
    if behavior != "none" and not in_trial:
        kept = {_key(item) for item in items} if not resets else set()
        for item in old_items:
            if _key(item) not in kept:
                change.prorations.append(state.proration_line(subscription, item, at=at, is_credit=True))
    if resets and not (in_trial and not ends_trial):
        change.anchor = store.timestamp(now)
        for item in items:
            recurring = item["price"]["recurring"]
            item["current_period_start"] = change.anchor
            item["current_period_end"] = periods.add_interval(
                change.anchor, interval=recurring["interval"], count=recurring["interval_count"]
            )
            change.period_lines.append(state.period_line(subscription, item))
    elif behavior != "none" and not in_trial:
        old_keys = {_key(item) for item in old_items}
        for item in items:
            if _key(item) not in old_keys:
                change.prorations.append(state.proration_line(subscription, item, at=at, is_credit=False))
    return change


def merge_items(subscription: Data, wanted: list[Data], *, now: datetime) -> list[Data]:
    """This will return the subscription's items as a request would have them.

    :raises ParameterInvalid: for an item that is not this subscription's.
    """
    items = state.copy_of(subscription)["items"]["data"]
    for index, change in enumerate(wanted):
        param = f"items[{index}]"
        item = None
        if "id" in change:
            item = next((item for item in items if item["id"] == change["id"]), None)
            if item is None:
                raise ResourceMissing("subscription_item", change["id"], f"{param}[id]", status=400)
        if item is not None and change.get("deleted"):
            items.remove(item)
            continue
        if item is None:
            price = state.resolve_price(change, param=param, now=now)
            if any(other["price"]["id"] == price["id"] for other in items):
                raise ParameterInvalid(
                    param, f"An existing Subscription Item is already using that Price: {price['id']}."
                )
            start, end = state.period_of(subscription)
            item = subscription_objects.new_item(
                subscription=subscription["id"],
                price=price,
                quantity=int(change.get("quantity", 1)),
                period_start=start,
                period_end=end,
                now=store.timestamp(now),
            )
            items.append(item)
        elif "price" in change or "price_data" in change or "plan" in change:
            price = state.resolve_price(change, param=param, now=now)
            item |= {"price": price, "plan": plan_of(price)}
        if "quantity" in change:
            item["quantity"] = int(change["quantity"])
        changes.set_metadata(item, change)
    if not items:
        raise UnexpectedState("A subscription must have at least one active plan.")
    return list(items)


def items_of_phase(subscription: Data, phase: Data) -> list[Data]:
    """This will return what a schedule's phase wants of the subscription's items.

    Its prices are given whole: they may have been archived since the phase was planned.
    """
    existing = [item["id"] for item in subscription["items"]["data"]]
    wanted: list[Data] = []
    for index, item in enumerate(phase["items"]):
        named = {"id": existing[index]} if index < len(existing) else {}
        wanted.append(named | {"price": store.get("price", item["price"]), "quantity": item["quantity"]})
    return wanted + [{"id": item_id, "deleted": True} for item_id in existing[len(wanted) :]]


def enter_phase(subscription: Data, wanted: list[Data], *, at: int, now: datetime) -> None:
    """This will give a subscription the items of a phase that begins where its period ends.

    Nothing is left to prorate: the renewal bills the new items. A new interval begins with it.
    """
    items = merge_items(subscription, wanted, now=now)
    if interval_of(items[0]) != interval_of(subscription["items"]["data"][0]):
        subscription["billing_cycle_anchor"] = at
    for item in items:
        item["current_period_end"] = min(item["current_period_end"], at)
    subscription["items"]["data"] = items


def _summary(items: list[Data]) -> list[tuple[str, str, int]]:
    return [_key(item) for item in items]


def _key(item: Data) -> tuple[str, str, int]:
    return item["id"], item["price"]["id"], item["quantity"]


def interval_of(item: Data) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]
