from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterMissing, UnexpectedState
from billing.sandbox.objects import subscription as subscription_objects
from billing.sandbox.objects.product import amount_of
from billing.sandbox.services import customers, events, invoices, payment_methods, payments
from billing.sandbox.services.subscriptions import anchoring, announcing, discounting, state, terms

Data = dict[str, Any]


@transaction.atomic
def create_subscription(params: Data, *, now: datetime) -> Data:
    """This will create a subscription and collect its first invoice as `payment_behavior` says.

    :raises CardDeclined: with `error_if_incomplete`; nothing is kept then.
    """
    if "customer" not in params:
        raise ParameterMissing("customer")
    if not params.get("items"):
        raise ParameterMissing("items")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    behavior = params.get("payment_behavior", "allow_incomplete")
    subscription = build_subscription(customer["id"], params, now=now)
    if params.get("default_payment_method"):
        payment_methods.get_owned(
            params["default_payment_method"], customer=customer["id"], param="default_payment_method"
        )
    has_default = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    is_free_now = subscription["status"] == "trialing"
    if (
        not has_default
        and not is_free_now
        and behavior != "default_incomplete"
        and subscription["collection_method"] == "charge_automatically"
        and sum(item["price"]["unit_amount"] or 0 for item in subscription["items"]["data"])
    ):
        raise UnexpectedState(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method. For more information, visit "
            "https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
            code="resource_missing",
        )
    if params.get("discounts"):
        due = (
            0
            if is_free_now
            else sum(amount_of(item["price"], item["quantity"]) for item in subscription["items"]["data"])
        )
        discounting.change_discounts(subscription, params["discounts"] or [], due=due, now=now)
    store_new(subscription, now=now)
    events.emit("customer.subscription.created", subscription, now=now)
    announcing.announce(subscription["id"], now=now)
    invoice = invoice_first_period(
        subscription, proration_behavior=params.get("proration_behavior", "create_prorations"), now=now
    )
    if is_free_now or invoice["status"] == "paid":
        return store.get("subscription", subscription["id"])
    if subscription["collection_method"] == "send_invoice":
        return _activate(subscription["id"], now=now)
    if behavior == "default_incomplete":
        invoices.open_payment(invoice["id"], description=invoices.describe(invoice), now=now)
        return store.get("subscription", subscription["id"])
    intent = invoices.pay_invoice(invoice["id"], off_session=bool(params.get("off_session")), now=now)
    if behavior == "error_if_incomplete" and intent["status"] != "succeeded":
        payments.raise_if_refused(intent)
        raise UnexpectedState(
            "This payment requires additional user action.", code="subscription_payment_intent_requires_action"
        )
    return store.get("subscription", subscription["id"])


@transaction.atomic
def create_paid_by_checkout(
    *,
    customer: str,
    items: list[Data],
    data: Data,
    intent: Data | None,
    payment_method: str | None,
    coupon: Data | None,
    promotion_code: str | None,
    checkout_session: str,
    extra_lines: list[Data],
    now: datetime,
) -> tuple[Data, Data]:
    """This will create the subscription that a completed Checkout session bought, and return it with its first invoice.

    `items` are `{price, quantity}` with stored prices, `data` is the session's `subscription_data`, and `intent` the
    payment intent that paid (or is being processed); None when there was nothing to pay. `extra_lines` are what was
    bought once beside it, for the first invoice.
    """
    params = {"items": items, "default_payment_method": payment_method} | data
    subscription = build_subscription(customer, params, now=now)
    subscription["payment_settings"] |= {"save_default_payment_method": "off"}
    if subscription["status"] == "incomplete":
        subscription["status"] = "active"
    if coupon is not None:
        discounting.add_discount(
            subscription, coupon=coupon, promotion_code=promotion_code, checkout_session=checkout_session, now=now
        )
    store_new(subscription, now=now)
    events.emit("customer.subscription.created", subscription, now=now)
    announcing.announce(subscription["id"], now=now)
    invoice = invoice_first_period(subscription, extra_lines=extra_lines, now=now)
    if intent is not None and invoice["status"] == "open":
        invoices.attach_intent(invoice, intent, now=now)
        if intent["status"] == "succeeded":
            invoice = invoices.mark_paid(invoice["id"], amount=intent["amount_received"], now=now)
    return store.get("subscription", subscription["id"]), invoice


def build_subscription(customer: str, params: Data, *, now: datetime) -> Data:
    """This will build a subscription with its items from the API's parameters, without storing it."""
    resolved = state.resolve_items(params["items"], now=now)
    seconds = store.timestamp(now)
    subscription = subscription_objects.new_subscription(
        customer=customer, currency=resolved[0][0]["currency"], now=seconds
    )
    subscription["test_clock"] = store.get("customer", customer)["test_clock"]
    subscription["items"]["data"] = state.new_items(subscription, resolved, start=seconds, now=now)
    changes.set_fields(
        subscription,
        params,
        ("collection_method", "days_until_due", "default_payment_method", "description", "cancel_at_period_end"),
    )
    if settings := params.get("trial_settings"):
        subscription["trial_settings"] = settings
    anchoring.set_anchor(subscription, params, now=now)
    changes.set_metadata(subscription, params)
    subscription["payment_settings"] |= params.get("payment_settings") or {}
    if subscription["cancel_at_period_end"]:
        subscription |= {"cancel_at": state.period_of(subscription)[1], "canceled_at": seconds}
    elif params.get("cancel_at"):
        subscription |= {"cancel_at": terms.end_named(subscription, params["cancel_at"]), "canceled_at": seconds}
    _start_trial(subscription, params, now=now)
    return subscription


def store_new(subscription: Data, *, now: datetime) -> None:
    """This will store a new subscription and fix its customer's currency."""
    store.add(subscription, clock=subscription["test_clock"] or "")
    state.save_subscription(subscription)
    customers.note_currency(subscription["customer"], subscription["currency"], now=now)


def invoice_first_period(
    subscription: Data,
    *,
    now: datetime,
    extra_lines: list[Data] | None = None,
    proration_behavior: str = "create_prorations",
) -> Data:
    """This will make and finalise the first invoice; a trial's comes to nothing.

    A first period that an anchor cuts short is billed by the second, or not at all with the behaviour `none`.
    """
    seconds = store.timestamp(now)
    items = subscription["items"]["data"]
    lines = [
        anchoring.short_line(subscription, item, behavior=proration_behavior)
        if anchoring.is_short(subscription, item)
        else state.period_line(subscription, item)
        for item in items
    ]
    if subscription["status"] == "trialing":
        for line in lines:
            name = state.product_name(line["price"])
            line |= {"amount": 0, "description": f"Free trial for {line['quantity']} × {name}"}
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="subscription_create",
        lines=[*lines, *(extra_lines or [])],
        subscription=subscription,
        period=(seconds, seconds),
        active=discounting.list_active(subscription, at=seconds),
        now=now,
    )
    store.save(store.get("subscription", subscription["id"]) | {"latest_invoice": draft["id"]})
    return invoices.finalize_invoice(draft["id"], now=now)


def _activate(subscription_id: str, *, now: datetime) -> Data:
    before = state.lock_subscription(subscription_id)
    return state.update(before | {"status": "active"}, before=before, now=now)


def _start_trial(subscription: Data, params: Data, *, now: datetime) -> None:
    end = params.get("trial_end")
    if days := params.get("trial_period_days"):
        end = store.timestamp(now + timedelta(days=int(days)))
    if not end or end == "now":
        return
    seconds = store.timestamp(now)
    subscription |= {
        "status": "trialing",
        "trial_start": seconds,
        "trial_end": int(end),
        "billing_cycle_anchor": int(end),
    }
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": seconds, "current_period_end": int(end)}
