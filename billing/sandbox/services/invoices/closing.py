"""An invoice is finalised, and then paid, voided or written off."""

import copy
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import store
from billing.sandbox.services import customers, events, payments
from billing.sandbox.services.invoices import drafting, reading

Data = dict[str, Any]


@transaction.atomic
def finalize_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will number a draft and open it; one that comes to nothing is paid by that.

    :raises UnexpectedState: when it is no draft.
    """
    from billing.sandbox.services import subscriptions

    before = store.lock("invoice", invoice_id, param="invoice")
    reading.require(before, ("draft",), "finalize")
    invoice = copy.deepcopy(before)
    customer = store.lock("customer", invoice["customer"])
    drafting.add_up(invoice, balance=customer["balance"])
    if 0 < invoice["amount_due"] < payments.MINIMUM_CENTS:
        # Too little to charge: it is owed with the next invoice instead.
        invoice |= {"amount_due": 0, "amount_remaining": 0}
    seconds = store.timestamp(now)
    invoice |= {
        "status": "open",
        "number": f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}",
        "effective_at": seconds,
        "automatically_finalizes_at": None,
        "hosted_invoice_url": f"{settings.STRIPE_API_BASE}/invoice/{invoice_id}",
        "invoice_pdf": f"{settings.STRIPE_API_BASE}/invoice/{invoice_id}/pdf",
        "webhooks_delivered_at": seconds,
    }
    invoice["status_transitions"]["finalized_at"] = seconds
    store.save(customer | {"next_invoice_sequence": customer["next_invoice_sequence"] + 1})
    _use_balance(invoice, balance=customer["balance"], now=now)
    store.save(invoice)
    if invoice["discounts"] and (subscription_id := reading.subscription_of(invoice)):
        subscriptions.note_discounts_used(invoice, subscription_id, now=now)
    events.emit("invoice.finalized", invoice, now=now)
    if invoice["amount_due"] == 0:
        return mark_paid(invoice_id, amount=0, now=now)
    return invoice


def _use_balance(invoice: Data, *, balance: int, now: datetime) -> None:
    """Take what the customer's credit balance covers, or put there what the invoice owes them."""
    covered = invoice["total"] - invoice["amount_due"]
    invoice["ending_balance"] = balance + covered
    if covered:
        customers.change_balance(
            invoice["customer"],
            covered,
            kind="applied_to_invoice",
            currency=invoice["currency"],
            invoice=invoice["id"],
            now=now,
        )


@transaction.atomic
def mark_paid(
    invoice_id: str, *, amount: int, now: datetime, out_of_band: bool = False, is_automatic: bool = False
) -> Data:
    """This will close an open invoice as paid and let its subscription know.

    Of the attempts after the first only automatic ones count (https://docs.stripe.com/api/invoices/object).
    """
    from billing.sandbox.services import subscriptions

    invoice = store.lock("invoice", invoice_id)
    reading.require(invoice, ("open", "uncollectible"), "pay")
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_due"] if out_of_band else amount,
        "amount_remaining": 0,
        "attempted": True,
        "attempt_count": max(1, invoice["attempt_count"] + is_automatic) if amount else invoice["attempt_count"],
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    invoice["status_transitions"]["paid_at"] = store.timestamp(now)
    store.save(invoice)
    payment = reading.find_default_payment(invoice_id)
    if payment and payment["status"] == "open":
        payment |= {"status": "canceled" if out_of_band else "paid", "amount_paid": None if out_of_band else amount}
        moment = "canceled_at" if out_of_band else "paid_at"
        payment["status_transitions"][moment] = store.timestamp(now)
        store.save(payment)
    subscriptions.note_invoice_paid(invoice, now=now)
    customers.set_delinquent(invoice["customer"], is_delinquent=False, now=now)
    events.emit("invoice.paid", invoice, now=now)
    events.emit("invoice.payment_succeeded", invoice, now=now)
    if payment and payment["status"] == "paid":
        events.emit("invoice_payment.paid", payment, now=now)
    return invoice


@transaction.atomic
def void_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will void an open invoice; its payment intent is cancelled.

    :raises UnexpectedState: when it is not open.
    """
    from billing.sandbox.services import subscriptions

    before = store.lock("invoice", invoice_id, param="invoice")
    reading.require(before, ("open", "uncollectible"), "void")
    invoice = copy.deepcopy(before)
    invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["voided_at"] = store.timestamp(now)
    store.save(invoice)
    payment = reading.find_default_payment(invoice_id)
    if payment and payment["status"] == "open":
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = store.timestamp(now)
        store.save(payment)
        intent = store.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] not in payments.FINAL | {"processing"}:
            payments.cancel_intent(intent["id"], reason="void_invoice", now=now)
    if used := (invoice["ending_balance"] or 0) - invoice["starting_balance"]:
        customers.change_balance(
            invoice["customer"],
            -used,
            kind="unapplied_from_invoice",
            currency=invoice["currency"],
            invoice=invoice_id,
            now=now,
        )
    events.emit("invoice.voided", invoice, now=now)
    subscriptions.note_invoice_voided(invoice, now=now)
    return invoice


@transaction.atomic
def mark_uncollectible(invoice_id: str, *, now: datetime) -> Data:
    """This will write an open invoice off."""
    invoice = store.lock("invoice", invoice_id, param="invoice")
    reading.require(invoice, ("open",), "mark as uncollectible")
    invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["marked_uncollectible_at"] = store.timestamp(now)
    store.save(invoice)
    customers.set_delinquent(invoice["customer"], is_delinquent=False, now=now)
    events.emit("invoice.marked_uncollectible", invoice, now=now)
    return invoice
