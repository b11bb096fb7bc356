"""Collecting an invoice: its payment intent, the attempts, and what became of them."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import customers, events, payment_methods, payments
from billing.sandbox.services.invoices import closing, reading

Data = dict[str, Any]

# Days from one failed automatic attempt to the next: four retries within three weeks, then Stripe gives up.
# https://docs.stripe.com/billing/revenue-recovery/smart-retries
RETRY_DAYS = (3, 5, 7, 6)


@transaction.atomic
def open_payment(invoice_id: str, *, description: str, now: datetime) -> Data:
    """This will make the payment intent that an open invoice is paid by, or return the one that it has."""
    invoice = store.get("invoice", invoice_id)
    payment = reading.find_default_payment(invoice_id)
    if payment:
        intent = store.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] != "canceled":
            return intent
    subscription = reading.subscription_of(invoice)
    intent = payments.create_intent(
        amount=invoice["amount_remaining"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        payment_method_types=["card", "us_bank_account"],
        description=description,
        setup_future_usage="off_session" if subscription else None,
        now=now,
    )
    attach_intent(invoice, intent, now=now)
    return intent


def attach_intent(invoice: Data, intent: Data, *, now: datetime) -> Data:
    """This will note that an invoice is paid by this intent."""
    payment = invoice_objects.new_invoice_payment(
        invoice=invoice, payment_intent=intent["id"], amount=invoice["amount_remaining"], now=store.timestamp(now)
    )
    return store.add(payment)


@transaction.atomic
def pay_invoice(
    invoice_id: str,
    *,
    now: datetime,
    payment_method_id: str | None = None,
    off_session: bool = True,
    is_automatic: bool = False,
) -> Data:
    """This will try to collect an open invoice and return the payment intent as it then is.

    Only automatic attempts after the first one move the schedule of retries on.

    :raises UnexpectedState: when the invoice is not open, or there is nothing to pay it with.
    """
    invoice = store.lock("invoice", invoice_id, param="invoice")
    if invoice["status"] == "draft":
        invoice = closing.finalize_invoice(invoice_id, now=now)
    if invoice["status"] == "paid":
        raise UnexpectedState("Invoice is already paid", code="invoice_already_paid")
    reading.require(invoice, ("open", "uncollectible"), "pay")
    intent = open_payment(invoice_id, description=reading.describe(invoice), now=now)
    if intent["status"] == "requires_action" and payment_method_id is None:
        return intent
    chosen = payment_method_id or reading.find_payment_method(invoice)
    if chosen is None:
        raise UnexpectedState(
            "There is no `default_payment_method` set on this Customer or Invoice. Please provide one with the "
            "`payment_method` parameter or set one with `default_payment_method`.",
            code="resource_missing",
        )
    payment_method = payment_methods.get_usable(chosen, customer=invoice["customer"], now=now)
    intent = payments.confirm_intent(intent["id"], payment_method, off_session=off_session, now=now)
    settle_by_intent(intent, is_automatic=is_automatic, now=now)
    return store.get("payment_intent", intent["id"])


@transaction.atomic
def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will finalise a draft whose hour is over and try to collect it, or try an open invoice again."""
    invoice = store.lock("invoice", object_id)
    if invoice["status"] == "draft":
        invoice = closing.finalize_invoice(object_id, now=now)
    if invoice["status"] != "open" or invoice["collection_method"] != "charge_automatically":
        return invoice
    intent = open_payment(object_id, description=reading.describe(invoice), now=now)
    if intent["status"] in ("processing", "succeeded"):
        store.save(store.get("invoice", object_id) | {"next_payment_attempt": None})
    elif reading.find_payment_method(invoice) is None:
        note_failure(object_id, is_automatic=True, now=now)
    else:
        if intent["status"] == "requires_action":
            # The customer never came back for the earlier attempt; this one begins anew.
            store.save(intent | {"status": "requires_payment_method", "next_action": None})
        pay_invoice(object_id, off_session=False, is_automatic=True, now=now)
    return store.get("invoice", object_id)


@transaction.atomic
def settle_by_intent(intent: Data, *, now: datetime, is_automatic: bool = False) -> None:
    """This will bring an invoice in line with what became of its payment intent."""
    payment = store.find_first("invoice_payment", payment_intent=intent["id"])
    if payment is None:
        return
    invoice = store.lock("invoice", payment["invoice"])
    if invoice["status"] not in ("open", "uncollectible"):
        return
    if intent["status"] == "succeeded":
        closing.mark_paid(invoice["id"], amount=intent["amount_received"], is_automatic=is_automatic, now=now)
    elif intent["status"] == "processing":
        # Nothing more is tried until the bank has answered.
        store.save(invoice | {"next_payment_attempt": None})
    elif intent["status"] == "requires_action":
        if is_automatic or invoice["billing_reason"] == "subscription_cycle":
            note_failure(invoice["id"], is_automatic=is_automatic, now=now)
            invoice = store.get("invoice", invoice["id"])
        else:
            _note_attempt(invoice, is_automatic=is_automatic)
        events.emit("invoice.payment_action_required", invoice, now=now)
    elif intent["status"] == "requires_payment_method":
        note_failure(invoice["id"], is_automatic=is_automatic, now=now)


@transaction.atomic
def note_failure(invoice_id: str, *, now: datetime, is_automatic: bool = False) -> Data:
    """This will note that collecting an invoice failed, say when it is tried again, and let its subscription know.

    What a subscription was changed for and what it is renewed by is tried again; a first invoice is not.
    """
    from billing.sandbox.services import subscriptions

    invoice = store.lock("invoice", invoice_id)
    counts = _note_attempt(invoice, is_automatic=is_automatic)
    if subscriptions.is_retried(invoice):
        if counts:
            number = invoice["attempt_count"]
            is_last = number > len(RETRY_DAYS)
            next_at = None if is_last else store.timestamp(now + timedelta(days=RETRY_DAYS[number - 1]))
            invoice["next_payment_attempt"] = next_at
        store.save(invoice)
        customers.set_delinquent(invoice["customer"], is_delinquent=True, now=now)
    events.emit("invoice.payment_failed", invoice, now=now)
    subscriptions.note_invoice_failed(invoice, now=now)
    return invoice


def _note_attempt(invoice: Data, *, is_automatic: bool) -> bool:
    """Count an attempt, unless it is one that a person makes between the automatic ones."""
    counts = is_automatic or invoice["attempt_count"] == 0
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + (1 if counts else 0)}
    store.save(invoice)
    return counts
