"""The terms of a subscription other than its items: how it is paid, its trial, when it ends."""

from datetime import datetime
from typing import Any

from billing.sandbox import changes, store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.services import payment_methods
from billing.sandbox.services.subscriptions import discounting, state

Data = dict[str, Any]


def change_fields(subscription: Data, params: Data, *, now: datetime) -> None:
    changes.set_fields(subscription, params, ("collection_method", "days_until_due", "description"))
    changes.set_metadata(subscription, params)
    if "default_payment_method" in params:
        chosen = params["default_payment_method"] or None
        if chosen:
            payment_methods.get_owned(chosen, customer=subscription["customer"], param="default_payment_method")
        subscription["default_payment_method"] = chosen
    if "discounts" in params:
        discounting.change_discounts(subscription, params["discounts"] or [], due=None, now=now)
    if settings := params.get("payment_settings"):
        subscription["payment_settings"] |= settings
    if trial_settings := params.get("trial_settings"):
        subscription["trial_settings"] = trial_settings
    details = params.get("cancellation_details") or {}
    for name in ("comment", "feedback"):
        if name in details:
            subscription["cancellation_details"][name] = details[name] or None
    _change_cancellation(subscription, params, now=now)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        return
    if isinstance(params.get("trial_end"), int):
        end = params["trial_end"]
        subscription |= {"status": "trialing", "trial_end": end, "billing_cycle_anchor": end}
        subscription["trial_start"] = subscription["trial_start"] or store.timestamp(now)
        for item in subscription["items"]["data"]:
            item["current_period_end"] = end


def _change_cancellation(subscription: Data, params: Data, *, now: datetime) -> None:
    """Set or undo the end: `cancel_at_period_end` true or false, or `cancel_at` a time, a word or nothing."""
    _, end = state.period_of(subscription)
    seconds = store.timestamp(now)
    if subscription["schedule"] and {"cancel_at", "cancel_at_period_end"} & params.keys():
        raise UnexpectedState(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    if "cancel_at_period_end" in params:
        wanted = bool(params["cancel_at_period_end"])
        if wanted == subscription["cancel_at_period_end"]:
            return
        _set_end(subscription, end if wanted else None, at_period_end=wanted, seconds=seconds)
    elif "cancel_at" in params:
        _set_end(subscription, end_named(subscription, params["cancel_at"]), at_period_end=False, seconds=seconds)


def end_named(subscription: Data, cancel_at: Any) -> int | None:
    """This will return the moment that `cancel_at` means: a time, or a word for where the items' periods end."""
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    words = {"min_period_end": min(ends), "max_period_end": max(ends)}
    return int(words.get(cancel_at, cancel_at)) if cancel_at else None


def _set_end(subscription: Data, cancel_at: int | None, *, at_period_end: bool, seconds: int) -> None:
    subscription |= {
        "cancel_at": cancel_at,
        "cancel_at_period_end": at_period_end,
        "canceled_at": seconds if cancel_at else None,
    }
    if cancel_at:
        subscription["cancellation_details"]["reason"] = "cancellation_requested"
    else:
        subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": None}
