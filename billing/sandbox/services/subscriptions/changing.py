"""Changing a subscription."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, UnexpectedState
from billing.sandbox.services import events, invoices, payments
from billing.sandbox.services.subscriptions import announcing, discounting, items, pending, planning, state, terms

Data = dict[str, Any]

PENDING_FOR = timedelta(hours=23)
# https://docs.stripe.com/billing/subscriptions/pending-updates-reference#supported-attributes
MAY_WAIT = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "items",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
    "trial_from_plan",
}
# What decides what a subscription costs: not to be changed before its first invoice is paid.
# https://docs.stripe.com/api/subscriptions/object#subscription_object-status
NEEDS_FIRST_PAYMENT = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "discounts",
    "items",
    "trial_end",
    "trial_from_plan",
}


@transaction.atomic
def update_subscription(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription by Stripe's rules of `proration_behavior` and `payment_behavior`.

    :raises UnexpectedState: when it has ended or its first invoice is not paid, or `error_if_incomplete` meets a
        payment that asks for authentication.
    :raises CardDeclined: with `error_if_incomplete`; nothing is changed then.
    """
    before = state.lock_subscription(subscription_id)
    if before["status"] in state.ENDED and params.keys() - {"cancellation_details", "metadata"}:
        raise UnexpectedState("A canceled subscription can only update its cancellation_details and metadata.")
    if before["status"] == "incomplete" and NEEDS_FIRST_PAYMENT & params.keys():
        raise UnexpectedState(
            "A subscription with the status `incomplete` can only have its metadata and its default payment method "
            "updated until its first invoice is paid."
        )
    if params.get("payment_behavior") == "pending_if_incomplete":
        _require_may_wait(before, params)
    subscription = state.copy_of(before)
    terms.change_fields(subscription, params, now=now)
    _credit_early_end(subscription, params, now=now)
    change = planning.plan_change(subscription, params, now=now)
    if change is None:
        state.update(subscription, before=before, now=now)
        announcing.announce(subscription_id, now=now)
        return store.get("subscription", subscription_id)

    if before["pending_update"]:
        # A newer change takes the place of the one that waits for its payment.
        pending.discard(subscription_id, now=now)
        before = state.lock_subscription(subscription_id)
        subscription["pending_update"] = None
    if params.get("trial_end") == "now" and before["status"] == "trialing":
        events.emit("customer.subscription.trial_will_end", before, now=now)
    behavior = params.get("proration_behavior", "create_prorations")
    invoices_now = bool(change.lines) and (behavior == "always_invoice" or change.anchor is not None)
    waits = params.get("payment_behavior") == "pending_if_incomplete" and invoices_now
    if not waits:
        pending.apply(subscription, change.items, change.anchor)
    state.update(subscription, before=before, now=now)
    if not invoices_now:
        items.leave_prorations(subscription, change.prorations, now=now)
        return store.get("subscription", subscription_id)

    invoice = _invoice_change(subscription, change, now=now, waits=waits)
    if invoice["status"] == "open" and params.get("payment_behavior") == "default_incomplete":
        _await_payment(subscription_id, invoice, now=now)
    elif invoice["status"] == "open":
        _collect(subscription_id, invoice, params, now=now, waits=waits)
    return store.get("subscription", subscription_id)


@transaction.atomic
def enter_phase(subscription_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a subscription as a schedule's next phase says: with its renewal, where one is due."""
    before = state.lock_subscription(subscription_id)
    if before["pending_update"]:
        pending.discard(subscription_id, now=now)
        before = state.lock_subscription(subscription_id)
    seconds = store.timestamp(now)
    if state.period_of(before)[1] > seconds:
        return update_subscription(subscription_id, params, now=now)
    subscription = state.copy_of(before)
    changes.set_metadata(subscription, params)
    planning.enter_phase(subscription, params["items"], at=seconds, now=now)
    return state.update(subscription, before=before, now=now)


def _credit_early_end(subscription: Data, params: Data, *, now: datetime) -> None:
    """Owe back what a `cancel_at` inside the period leaves of it, unless told otherwise.

    https://docs.stripe.com/api/subscriptions/update#update_subscription-cancel_at
    """
    ends_at = subscription["cancel_at"] if params.get("cancel_at") else None
    is_paid_for = subscription["status"] in ("active", "past_due")
    if ends_at is None or not is_paid_for or params.get("proration_behavior") == "none":
        return
    early = [item for item in subscription["items"]["data"] if ends_at < item["current_period_end"]]
    lines = [state.proration_line(subscription, item, at=ends_at, is_credit=True) for item in early]
    items.leave_prorations(subscription, lines, now=now)


def _require_may_wait(subscription: Data, params: Data) -> None:
    """:raises ParameterInvalid: for what cannot wait for a payment."""
    other = sorted(params.keys() - MAY_WAIT)
    if other:
        raise ParameterInvalid(
            other[0],
            "When `payment_behavior` is `pending_if_incomplete`, you can only update attributes that are supported by "
            f"pending updates: `{other[0]}` is not. See "
            "https://stripe.com/docs/billing/subscriptions/pending-updates-reference#supported-attributes.",
        )
    if subscription["collection_method"] != "charge_automatically":
        raise ParameterInvalid(
            "payment_behavior",
            "`payment_behavior` can only be `pending_if_incomplete` when `collection_method` is "
            "`charge_automatically`.",
        )


def _await_payment(subscription_id: str, invoice: Data, *, now: datetime) -> None:
    """Leave the invoice of a change for the customer to pay; the subscription is past due until then."""
    invoices.open_payment(invoice["id"], description=invoices.describe(invoice), now=now)
    before = state.lock_subscription(subscription_id)
    if before["status"] == "active":
        state.update(before | {"status": "past_due"}, before=before, now=now)


def _invoice_change(subscription: Data, change: planning.Change, *, now: datetime, waits: bool) -> Data:
    """Invoice a change at once; with `waits` it is applied only when this invoice is paid."""
    seconds = store.timestamp(now)
    draft = invoices.create_draft(
        customer=subscription["customer"],
        currency=subscription["currency"],
        billing_reason="subscription_update",
        lines=change.lines,
        subscription=subscription,
        period=(seconds, seconds),
        active=discounting.list_active(subscription, at=seconds),
        now=now,
    )
    if waits:
        waiting = {"invoice": draft["id"], "items": change.items, "anchor": change.anchor}
        store.set_private(subscription["id"], pending=waiting)
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
        waiting = store.get_private(subscription_id)["pending"]
        subscription = state.copy_of(before)
        subscription["pending_update"] = {
            "billing_cycle_anchor": waiting["anchor"],
            "expires_at": min(
                store.timestamp(now + PENDING_FOR),
                *(item["current_period_end"] for item in before["items"]["data"]),
            ),
            "subscription_items": waiting["items"],
            "trial_end": None,
            "trial_from_plan": None,
        }
        state.update(subscription, before=before, now=now)
