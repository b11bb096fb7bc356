"""What a change, a new subscription or the next renewal would cost."""

from datetime import datetime
from typing import Any

from billing.sandbox import ids, periods, store
from billing.sandbox.errors import ParameterMissing, StripeError
from billing.sandbox.services import discounts, invoices
from billing.sandbox.services.subscriptions import discounting, items, planning, state

Data = dict[str, Any]


def preview_invoice(params: Data, *, now: datetime) -> Data:
    """This will build the invoice that a change, a new subscription or the next renewal would make. Nothing is stored.

    :raises StripeError: 404 `invoice_upcoming_none` when nothing would be invoiced.
    """
    details = params.get("subscription_details") or {}
    subscription = _find_previewed(params)
    if subscription is None:
        return _preview_new(params, details, now=now)
    customer = store.get("customer", subscription["customer"])
    start, end = state.period_of(subscription)
    lines: list[Data] = []
    change = planning.plan_change(subscription, details, now=now) if details else None
    proration_date = change.proration_date if change else None
    if change is not None:
        if change.anchor is not None or details.get("proration_behavior") == "always_invoice":
            return _as_preview(
                invoices.build_invoice(
                    customer=customer,
                    currency=subscription["currency"],
                    billing_reason="upcoming",
                    lines=change.lines,
                    subscription=subscription,
                    period=(start, store.timestamp(now)),
                    proration_date=proration_date,
                    active=_discounts(subscription, params, change.lines, at=store.timestamp(now), now=now),
                    invoice_id=invoices.new_preview_id(),
                    now=now,
                ),
                next_attempt=store.timestamp(now),
            )
        lines += change.prorations
    if not details.get("cancel_now"):
        lines += [invoices.line_of_item(item) for item in items.list_pending(subscription)]
    renewed = _renewed(subscription, change, details, now=now)
    if renewed is not None:
        lines += [state.period_line(renewed, item) for item in renewed["items"]["data"]]
    if not lines:
        raise StripeError(404, f"No upcoming invoices for customer: '{customer['id']}'", code="invoice_upcoming_none")
    invoice = invoices.build_invoice(
        customer=customer,
        currency=subscription["currency"],
        billing_reason="upcoming",
        lines=lines,
        subscription=subscription,
        period=(start, end),
        proration_date=proration_date,
        active=_discounts(subscription, params, lines, at=end, now=now),
        invoice_id=invoices.new_preview_id(),
        now=now,
    )
    invoice["created"] = end
    return _as_preview(invoice, next_attempt=end + int(invoices.DRAFT_FOR.total_seconds()))


def _find_previewed(params: Data) -> Data | None:
    if params.get("subscription"):
        return store.get("subscription", params["subscription"], param="subscription", status=404)
    if (params.get("subscription_details") or {}).get("items"):
        return None
    if "customer" not in params:
        raise ParameterMissing("customer")
    store.get("customer", params["customer"], param="customer", status=400)
    for subscription in store.find("subscription", customer=params["customer"]):
        if subscription["status"] not in state.ENDED:
            return subscription
    raise StripeError(404, f"No upcoming invoices for customer: '{params['customer']}'", code="invoice_upcoming_none")


def _preview_new(params: Data, details: Data, *, now: datetime) -> Data:
    from billing.sandbox.services.subscriptions import creating

    if "customer" not in params:
        raise ParameterMissing("customer")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    subscription = creating.build_subscription(customer["id"], details | {"items": details["items"]}, now=now)
    lines = [state.period_line(subscription, item) for item in subscription["items"]["data"]]
    invoice = invoices.build_invoice(
        customer=customer,
        currency=subscription["currency"],
        billing_reason="upcoming",
        lines=lines,
        active=_discounts(subscription, params, lines, at=store.timestamp(now), now=now),
        invoice_id=invoices.new_preview_id(),
        now=now,
    )
    return _as_preview(invoice, next_attempt=store.timestamp(now))


def _discounts(
    subscription: Data, params: Data, lines: list[Data], *, at: int, now: datetime
) -> list[discounts.Active]:
    """Return the discounts of a preview: those that the request names, else the subscription's.

    :raises ParameterInvalid: for one that could not be redeemed for these lines.
    """
    if "discounts" not in params:
        return discounting.list_active(subscription, at=at)
    given: list[Data] = params["discounts"] or []
    order = discounts.Order(
        customer=subscription["customer"],
        currency=subscription["currency"],
        due=sum(line["amount"] for line in lines),
    )
    return [
        discounts.get_active(one["discount"])
        if one.get("discount")
        else discounts.Active(ids.new_id("discount"), discounts.find_given(one, order=order, index=index, now=now)[0])
        for index, one in enumerate(given)
    ]


def _as_preview(invoice: Data, *, next_attempt: int) -> Data:
    return invoice | {"next_payment_attempt": next_attempt, "auto_advance": True}


def _renewed(subscription: Data, change: planning.Change | None, details: Data, *, now: datetime) -> Data | None:
    """Return the subscription as its next period will find it, or None where none comes."""
    if subscription["status"] in state.ENDED or _ends(subscription, details):
        return None
    renewed = state.copy_of(subscription)
    end = state.period_of(subscription)[1]
    if change is not None:
        renewed["items"]["data"] = change.items
    elif subscription["schedule"]:
        schedule = store.get("subscription_schedule", subscription["schedule"])
        phase = next((phase for phase in schedule["phases"] if phase["start_date"] <= end < phase["end_date"]), None)
        if phase is not None:
            planning.enter_phase(renewed, planning.items_of_phase(renewed, phase), at=end, now=now)
        elif schedule["end_behavior"] == "cancel":
            return None
    for item in renewed["items"]["data"]:
        recurring = item["price"]["recurring"]
        item["current_period_start"], item["current_period_end"] = periods.period_around(
            item["current_period_end"],
            anchor=renewed["billing_cycle_anchor"],
            interval=recurring["interval"],
            count=recurring["interval_count"],
        )
    return renewed


def _ends(subscription: Data, details: Data) -> bool:
    """Say whether the subscription ends with its period at the latest, or would as the request has it."""
    if details.get("cancel_now"):
        return True
    if "cancel_at_period_end" in details:
        return bool(details["cancel_at_period_end"])
    return state.ends_with_period(subscription)
