"""A billing cycle that begins at another moment than the subscription: the first period is cut short.

https://docs.stripe.com/billing/subscriptions/billing-cycle
"""

from datetime import UTC, datetime
from typing import Any

from dateutil.relativedelta import relativedelta

from billing.sandbox import periods, store
from billing.sandbox.errors import ParameterInvalid
from billing.sandbox.objects.product import amount_of
from billing.sandbox.services.subscriptions import state

Data = dict[str, Any]


def set_anchor(subscription: Data, params: Data, *, now: datetime) -> None:
    """This will let a new subscription's cycle begin at the request's anchor; its first period ends there.

    :raises ParameterInvalid: for a moment that has passed, or lies beyond the first period.
    """
    config = params.get("billing_cycle_anchor_config")
    anchor = params.get("billing_cycle_anchor") or (_next_occurrence(config, now=now) if config else None)
    if anchor is None or anchor in ("now", "unchanged"):  # the words that a preview may say
        return
    if anchor < store.timestamp(now):
        raise ParameterInvalid("billing_cycle_anchor", "billing_cycle_anchor cannot be in the past.")
    for item in subscription["items"]["data"]:
        if anchor > item["current_period_end"]:
            natural = store.moment(item["current_period_end"]).isoformat()
            raise ParameterInvalid(
                "billing_cycle_anchor",
                f"billing_cycle_anchor cannot be later than next natural billing date ({natural}) for plan.",
            )
        if anchor > item["current_period_start"]:
            item["current_period_end"] = anchor
    subscription |= {"billing_cycle_anchor": anchor, "billing_cycle_anchor_config": _whole(config)}


def is_short(subscription: Data, item: Data) -> bool:
    """This will say whether the item's period is the time before the anchor."""
    return subscription["status"] != "trialing" and item["current_period_start"] < subscription["billing_cycle_anchor"]


def short_line(subscription: Data, item: Data, *, behavior: str) -> Data:
    """This will return the line for the time before the anchor: its share of a whole period, or nothing."""
    recurring = item["price"]["recurring"]
    begin, end = item["current_period_start"], item["current_period_end"]
    whole_start = periods.add_interval(end, interval=recurring["interval"], count=-recurring["interval_count"])
    amount = amount_of(item["price"], item["quantity"])
    length = end - whole_start
    share = (amount * (end - begin) * 2 + length) // (2 * length) if behavior != "none" else 0
    line = state.period_line(subscription, item)
    line["parent"]["subscription_item_details"]["proration"] = bool(share)
    return line | {"amount": share}


def _next_occurrence(config: Data, *, now: datetime) -> int:
    """Return the first moment from now on with this day of the month (and month, hour, minute, second)."""
    wanted = relativedelta(
        day=config["day_of_month"],
        month=config.get("month"),
        hour=config.get("hour", now.hour),
        minute=config.get("minute", now.minute),
        second=config.get("second", now.second),
        microsecond=0,
    )
    step = relativedelta(years=1) if config.get("month") else relativedelta(months=1)
    begin = now.astimezone(UTC)
    moment, number = begin + wanted, 0
    while moment < begin.replace(microsecond=0):
        number += 1
        moment = begin + step * number + wanted
    return store.timestamp(moment)


def _whole(config: Data | None) -> Data | None:
    return {"hour": None, "minute": None, "month": None, "second": None} | config if config else None
