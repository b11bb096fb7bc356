"""Changing a subscription, and previewing what a change or the next renewal would cost."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import changes, periods, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, ResourceMissing, StripeError, UnexpectedState
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.objects import subscription as subscription_objects
from billing.sandbox.objects.product import plan_of
from billing.sandbox.services import events, invoices, payment_methods, payments
from billing.sandbox.services.subscriptions import state

Data = dict[str, Any]

PENDING_FOR = timedelta(hours=23)
DRAFT_FOR = timedelta(hours=1)


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


@transaction.atomic
def update_subscription(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription by Stripe's rules of `proration_behavior` and `payment_behavior`.

    :raises UnexpectedState: when it has ended, or `error_if_incomplete` meets a payment that asks for authentication.
    :raises CardDeclined: with `error_if_incomplete`; nothing is changed then.
    """
    before = state.lock_subscription(subscription_id)
    if before["status"] in state.ENDED and params.keys() - {"cancellation_details", "metadata"}:
        raise UnexpectedState("A canceled subscription can only update its cancellation_details and metadata.")
    subscription = state.copy_of(before)
    _change_fields(subscription, params, now=now)
    change = plan_change(subscription, params, now=now)
    if change is None:
        return state.update(subscription, before=before, now=now)

    behavior = params.get("proration_behavior", "create_prorations")
    invoices_now = bool(change.lines) and (behavior == "always_invoice" or change.anchor is not None)
    waits = params.get("payment_behavior") == "pending_if_incomplete" and invoices_now
    if not waits:
        _apply(subscription, change.items, change.anchor)
    state.update(subscription, before=before, now=now)
    if not invoices_now:
        _leave_for_next_invoice(subscription, change, now=now)
        return store.get("subscription", subscription_id)

    invoice = _invoice_change(subscription, change, now=now, waits=waits)
    if invoice["status"] == "open" and params.get("payment_behavior") != "default_incomplete":
        _collect(subscription_id, invoice, params, now=now, waits=waits)
    return store.get("subscription", subscription_id)


@transaction.atomic
def enter_phase(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription as a schedule's next phase says.

    At the end of a period nothing is left to prorate: the renewal, due at the same moment, bills the new items. A new
    interval begins with it.
    """
    before = state.lock_subscription(subscription_id)
    seconds = store.timestamp(now)
    if state.period_of(before)[1] > seconds:
        return update_subscription(subscription_id, params, now=now)
    subscription = state.copy_of(before)
    changes.set_metadata(subscription, params)
    items = merge_items(subscription, params["items"], now=now)
    if _interval(items[0]) != _interval(before["items"]["data"][0]):
        subscription["billing_cycle_anchor"] = seconds
    for item in items:
        item["current_period_end"] = min(item["current_period_end"], seconds)
    subscription["items"]["data"] = items
    return state.update(subscription, before=before, now=now)


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
    resets = restarts or _interval(items[0]) != _interval(old_items[0])
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


def apply_pending(subscription: Data, invoice: Data, *, now: datetime) -> bool:
    """This will apply the change that waited for this invoice to be paid, and say whether there was one."""
    pending = store.get_private(subscription["id"]).get("pending")
    if not pending or pending["invoice"] != invoice["id"]:
        return False
    _apply(subscription, pending["items"], pending["anchor"])
    subscription["pending_update"] = None
    store.set_private(subscription["id"], pending=None)
    return True


def drop_pending(subscription: Data, invoice: Data) -> None:
    """This will forget the change that waited for this invoice."""
    pending = store.get_private(subscription["id"]).get("pending")
    if pending and pending["invoice"] == invoice["id"]:
        subscription["pending_update"] = None
        store.set_private(subscription["id"], pending=None)


def preview_invoice(params: Data, *, now: datetime) -> Data:
    """This will build the invoice that a change, a new subscription or the next renewal would make. Nothing is stored.

    :raises StripeError: 404 `invoice_upcoming_none` when nothing would be invoiced.
    """
    details = params.get("subscription_details") or {}
    subscription = _find_previewed(params)
    if subscription is None:
        return _preview_new(params, details, now=now)
    customer = store.get("customer", subscription["customer"])
    items = subscription["items"]["data"]
    start, end = state.period_of(subscription)
    lines: list[Data] = []
    change = plan_change(subscription, details, now=now) if details else None
    proration_date = change.proration_date if change else None
    if change is not None:
        items = change.items
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
                    invoice_id=invoices.new_preview_id(),
                    now=now,
                ),
                next_attempt=store.timestamp(now),
            )
        lines += change.prorations
    ends = details.get("cancel_at_period_end", subscription["cancel_at_period_end"]) or details.get("cancel_now")
    if subscription["status"] in state.ENDED or (ends and not lines):
        raise StripeError(404, f"No upcoming invoices for customer: '{customer['id']}'", code="invoice_upcoming_none")
    for item in store.find("invoiceitem", customer=customer["id"], invoice=""):
        lines.append(invoices.line_of_item(item))
    if not ends:
        lines += [state.period_line(subscription, _next_period(subscription, item)) for item in items]
    invoice = invoices.build_invoice(
        customer=customer,
        currency=subscription["currency"],
        billing_reason="upcoming",
        lines=lines,
        subscription=subscription,
        period=(start, end),
        proration_date=proration_date,
        invoice_id=invoices.new_preview_id(),
        now=now,
    )
    invoice["created"] = end
    return _as_preview(invoice, next_attempt=end + int(DRAFT_FOR.total_seconds()))


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
    invoice = invoices.build_invoice(
        customer=customer,
        currency=subscription["currency"],
        billing_reason="upcoming",
        lines=[state.period_line(subscription, item) for item in subscription["items"]["data"]],
        invoice_id=invoices.new_preview_id(),
        now=now,
    )
    return _as_preview(invoice, next_attempt=store.timestamp(now))


def _as_preview(invoice: Data, *, next_attempt: int) -> Data:
    return invoice | {"next_payment_attempt": next_attempt, "auto_advance": True}


def _next_period(subscription: Data, item: Data) -> Data:
    recurring = item["price"]["recurring"]
    interval, count = recurring["interval"], recurring["interval_count"]
    start, end = periods.period_around(
        item["current_period_end"], anchor=subscription["billing_cycle_anchor"], interval=interval, count=count
    )
    return item | {"current_period_start": start, "current_period_end": end}


def _change_fields(subscription: Data, params: Data, *, now: datetime) -> None:
    changes.set_fields(subscription, params, ("collection_method", "days_until_due", "description"))
    changes.set_metadata(subscription, params)
    if "default_payment_method" in params:
        chosen = params["default_payment_method"] or None
        if chosen:
            payment_methods.get_owned(chosen, customer=subscription["customer"], param="default_payment_method")
        subscription["default_payment_method"] = chosen
    if settings := params.get("payment_settings"):
        subscription["payment_settings"] |= settings
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
        wanted_at = params["cancel_at"]
        if wanted_at in ("min_period_end", "max_period_end"):
            ends = [item["current_period_end"] for item in subscription["items"]["data"]]
            wanted_at = min(ends) if wanted_at == "min_period_end" else max(ends)
        _set_end(subscription, int(wanted_at) if wanted_at else None, at_period_end=False, seconds=seconds)


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


def _apply(subscription: Data, items: list[Data], anchor: int | None) -> None:
    subscription["items"]["data"] = items
    if anchor is not None:
        subscription["billing_cycle_anchor"] = anchor
        if subscription["status"] == "trialing":
            subscription |= {"status": "active", "trial_end": anchor}
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = state.period_of(subscription)[1]


def _invoice_change(subscription: Data, change: Change, *, now: datetime, waits: bool) -> Data:
    """Invoice a change at once; with `waits` it is applied only when this invoice is paid."""
    seconds = store.timestamp(now)
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="subscription_update",
        lines=change.lines,
        subscription=subscription,
        period=(seconds, seconds),
        proration_date=change.proration_date,
        now=now,
    )
    if waits:
        pending = {"invoice": draft["id"], "items": change.items, "anchor": change.anchor}
        store.set_private(subscription["id"], pending=pending)
    before = store.get("subscription", subscription["id"])
    state.update(before | {"latest_invoice": draft["id"]}, before=before, now=now)
    return invoices.finalize_invoice(draft["id"], now=now)


def _collect(subscription_id: str, invoice: Data, params: Data, *, now: datetime, waits: bool) -> None:
    intent = invoices.pay_invoice(invoice["id"], now=now, off_session=bool(params.get("off_session")))
    if intent["status"] == "succeeded":
        return
    if params.get("payment_behavior") == "error_if_incomplete":
        payments.raise_if_refused(intent)
        raise UnexpectedState(
            "Payment for this subscription requires additional user action before it can be completed successfully.",
            code="subscription_payment_intent_requires_action",
            payment_intent=intent,
        )
    if waits:
        before = state.lock_subscription(subscription_id)
        pending = store.get_private(subscription_id)["pending"]
        subscription = state.copy_of(before)
        subscription["pending_update"] = {
            "billing_cycle_anchor": pending["anchor"],
            "expires_at": store.timestamp(now + PENDING_FOR),
            "subscription_items": pending["items"],
            "trial_end": None,
            "trial_from_plan": None,
        }
        state.update(subscription, before=before, now=now)


def _leave_for_next_invoice(subscription: Data, change: Change, *, now: datetime) -> None:
    """Note prorations as pending invoice items."""
    for line in change.prorations:
        parent = line["parent"]["subscription_item_details"]
        item = invoice_objects.new_invoice_item(
            customer=subscription["customer"],
            amount=line["amount"],
            currency=line["currency"],
            description=line["description"],
            price=line["price"],
            quantity=line["quantity"],
            period_start=line["period_start"],
            period_end=line["period_end"],
            subscription=subscription["id"],
            subscription_item=parent["subscription_item"],
            proration=True,
            now=store.timestamp(now),
        )
        store.add(item)
        events.emit("invoiceitem.created", item, now=now)


def _summary(items: list[Data]) -> list[tuple[str, str, int]]:
    return [_key(item) for item in items]


def _key(item: Data) -> tuple[str, str, int]:
    return item["id"], item["price"]["id"], item["quantity"]


def _interval(item: Data) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]
