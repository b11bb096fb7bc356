"""Invoices: drafts, finalisation, payment and its failures."""

import copy
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import changes, ids, store
from billing.sandbox.errors import ParameterMissing, UnexpectedState
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import customers, events, payment_methods, payments

Data = dict[str, Any]

# How long after a failed renewal Stripe tries again (smart retries, about three weeks in all).
FIRST_RETRY = timedelta(days=3)


@transaction.atomic
def create_draft(
    *,
    customer: str,
    currency: str,
    billing_reason: str,
    lines: list[Data],
    now: datetime,
    subscription: Data | None = None,
    period: tuple[int, int] | None = None,
    proration_date: int | None = None,
    extra: Data | None = None,
) -> Data:
    """This will create a draft invoice; `lines` are the arguments of `objects.invoice.new_line` but for `invoice`."""
    invoice = build_invoice(
        customer=store.get("customer", customer, param="customer", status=400),
        currency=currency,
        billing_reason=billing_reason,
        lines=lines,
        now=now,
        subscription=subscription,
        period=period,
        proration_date=proration_date,
    )
    invoice |= extra or {}
    store.add(invoice)
    events.emit("invoice.created", invoice, now=now)
    return invoice


def build_invoice(
    *,
    customer: Data,
    currency: str,
    billing_reason: str,
    lines: list[Data],
    now: datetime,
    subscription: Data | None = None,
    period: tuple[int, int] | None = None,
    proration_date: int | None = None,
    invoice_id: str | None = None,
) -> Data:
    """This will build an invoice and add it up, without storing it."""
    invoice = invoice_objects.new_invoice(
        customer=customer,
        currency=currency,
        billing_reason=billing_reason,
        now=store.timestamp(now),
        invoice_id=invoice_id,
    )
    if subscription is not None:
        invoice["parent"] = invoice_objects.subscription_parent(
            subscription=subscription["id"], metadata=dict(subscription["metadata"]), proration_date=proration_date
        )
        invoice["default_payment_method"] = None
        invoice["collection_method"] = subscription["collection_method"]
    if period is not None:
        invoice["period_start"], invoice["period_end"] = period
    made = [invoice_objects.new_line(invoice=invoice["id"], **line) for line in lines]
    invoice["lines"]["data"] = made
    invoice["lines"]["total_count"] = len(made)
    add_up(invoice, balance=customer["balance"])
    return invoice


def add_up(invoice: Data, *, balance: int) -> None:
    """This will recompute what an unpaid invoice comes to, given the customer's credit balance in cents."""
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    discounts: dict[str, int] = {}
    for line in lines:
        for part in line["discount_amounts"]:
            discounts[part["discount"]] = discounts.get(part["discount"], 0) + part["amount"]
    total = subtotal - sum(discounts.values())
    # A negative balance pays for some of it; a positive one is owed from before and comes on top.
    due = total - min(total, -balance) if total > 0 else 0
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_discount_amounts": [{"amount": amount, "discount": name} for name, amount in discounts.items()],
        "total_pretax_credit_amounts": [
            {"amount": amount, "discount": name, "type": "discount"} for name, amount in discounts.items()
        ],
        "discounts": list(discounts),
        "starting_balance": balance,
        "ending_balance": None,
        "amount_due": due,
        "amount_remaining": due,
    }


@transaction.atomic
def create_invoice(params: Data, *, now: datetime) -> Data:
    """This will create a draft by hand, from the customer's pending invoice items when asked to include them."""
    if "customer" not in params:
        raise ParameterMissing("customer")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    includes = params.get("pending_invoice_items_behavior") == "include"
    pending = store.find("invoiceitem", customer=customer["id"], invoice="") if includes else []
    currency = params.get("currency") or (pending[0]["currency"] if pending else customer["currency"]) or "usd"
    invoice = create_draft(
        customer=customer["id"],
        currency=currency,
        billing_reason="manual",
        lines=[line_of_item(item) for item in reversed(pending)],
        now=now,
        extra={"auto_advance": params.get("auto_advance", False)},
    )
    for item in pending:
        store.save(item | {"invoice": invoice["id"]})
    before = copy.deepcopy(invoice)
    changes.set_fields(
        invoice,
        params,
        ("collection_method", "description", "footer", "default_payment_method", "statement_descriptor"),
    )
    changes.set_metadata(invoice, params)
    if invoice["collection_method"] == "send_invoice":
        invoice["due_date"] = params.get("due_date") or store.timestamp(now) + params.get("days_until_due", 30) * 86400
    return store.save(invoice) if invoice != before else invoice


def line_of_item(item: Data) -> Data:
    """This will return what a pending invoice item becomes on its invoice."""
    subscription = (item["parent"] or {}).get("subscription_details", {}).get("subscription")
    price = None
    if item["pricing"]:
        price = store.get("price", item["pricing"]["price_details"]["price"])
    return {
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"] or "",
        "price": price,
        "quantity": item["quantity"],
        "period_start": item["period"]["start"],
        "period_end": item["period"]["end"],
        "metadata": item["metadata"],
        "subscription": subscription,
        "parent": invoice_objects.invoice_item_parent(
            invoice_item=item["id"], proration=item["proration"], subscription=subscription
        ),
    }


@transaction.atomic
def create_item(params: Data, *, now: datetime) -> Data:
    """This will create an invoice item: pending for the customer's next invoice, or on the draft named."""
    if "customer" not in params:
        raise ParameterMissing("customer")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    quantity = params.get("quantity", 1)
    price = None
    if price_id := params.get("price") or (params.get("pricing") or {}).get("price"):
        price = store.get("price", price_id, param="price", status=400)
        amount = price["unit_amount"] * quantity
    elif "amount" in params:
        amount, quantity = params["amount"], 1
    elif "unit_amount_decimal" in params:
        amount = round(float(params["unit_amount_decimal"]) * quantity)
    else:
        raise ParameterMissing("amount")
    period = params.get("period") or {}
    item = invoice_objects.new_invoice_item(
        customer=customer["id"],
        amount=amount,
        currency=params.get("currency") or (price or {}).get("currency") or customer["currency"] or "usd",
        description=params.get("description"),
        price=price,
        quantity=quantity,
        period_start=period.get("start", store.timestamp(now)),
        period_end=period.get("end", store.timestamp(now)),
        invoice=params.get("invoice"),
        subscription=params.get("subscription"),
        now=store.timestamp(now),
    )
    changes.set_metadata(item, params)
    store.add(item)
    events.emit("invoiceitem.created", item, now=now)
    if item["invoice"]:
        invoice = store.lock("invoice", item["invoice"], param="invoice", status=400)
        _require(invoice, ("draft",), "add items to")
        line = invoice_objects.new_line(invoice=invoice["id"], **line_of_item(item))
        invoice["lines"]["data"].insert(0, line)
        invoice["lines"]["total_count"] += 1
        add_up(invoice, balance=customer["balance"])
        store.save(invoice)
    return item


@transaction.atomic
def delete_item(item_id: str, *, now: datetime) -> Data:
    """This will take back an invoice item that is on no invoice yet."""
    item = store.lock("invoiceitem", item_id)
    if item["invoice"]:
        raise UnexpectedState("This invoice item is attached to an invoice and cannot be deleted.")
    store.mark_deleted("invoiceitem", item_id)
    events.emit("invoiceitem.deleted", item, now=now)
    return {"id": item_id, "object": "invoiceitem", "deleted": True}


@transaction.atomic
def update_invoice(invoice_id: str, params: Data, *, now: datetime) -> Data:
    """This will change an invoice's notes, metadata or payment method."""
    before = store.lock("invoice", invoice_id, param="invoice")
    invoice = copy.deepcopy(before)
    changes.set_fields(invoice, params, ("auto_advance", "description", "footer", "default_payment_method"))
    changes.set_metadata(invoice, params)
    return events.update(invoice, before=before, event_type="invoice.updated", now=now)


@transaction.atomic
def finalize_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will number a draft and open it; one that comes to nothing is paid by that.

    :raises UnexpectedState: when it is no draft.
    """
    before = store.lock("invoice", invoice_id, param="invoice")
    _require(before, ("draft",), "finalize")
    invoice = copy.deepcopy(before)
    customer = store.lock("customer", invoice["customer"])
    add_up(invoice, balance=customer["balance"])
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
def open_payment(invoice_id: str, *, description: str, now: datetime) -> Data:
    """This will make the payment intent that an open invoice is paid by, or return the one that it has."""
    invoice = store.get("invoice", invoice_id)
    payment = find_default_payment(invoice_id)
    if payment:
        intent = store.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] != "canceled":
            return intent
    subscription = subscription_of(invoice)
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
    invoice_id: str, *, now: datetime, payment_method_id: str | None = None, off_session: bool = True
) -> Data:
    """This will try to collect an open invoice and return the payment intent as it then is.

    :raises UnexpectedState: when the invoice is not open, or there is nothing to pay it with.
    """
    invoice = store.lock("invoice", invoice_id, param="invoice")
    if invoice["status"] == "draft":
        invoice = finalize_invoice(invoice_id, now=now)
    if invoice["status"] == "paid":
        raise UnexpectedState("Invoice is already paid", code="invoice_already_paid")
    _require(invoice, ("open", "uncollectible"), "pay")
    intent = open_payment(invoice_id, description=describe(invoice), now=now)
    if intent["status"] == "requires_action" and payment_method_id is None:
        return intent
    chosen = payment_method_id or find_payment_method(invoice)
    if chosen is None:
        note_failure(invoice_id, intent, now=now)
        raise UnexpectedState(
            "There is no `default_payment_method` set on this Customer or Invoice. Please provide one with the "
            "`payment_method` parameter or set one with `default_payment_method`.",
            code="resource_missing",
        )
    payment_method = payment_methods.get_usable(chosen, now=now)
    intent = payments.confirm_intent(intent["id"], payment_method, off_session=off_session, now=now)
    settle_by_intent(intent, now=now)
    return store.get("payment_intent", intent["id"])


@transaction.atomic
def settle_by_intent(intent: Data, *, now: datetime) -> None:
    """This will bring an invoice in line with what became of its payment intent."""
    payment = store.find_first("invoice_payment", payment_intent=intent["id"])
    if payment is None:
        return
    invoice = store.lock("invoice", payment["invoice"])
    if invoice["status"] not in ("open", "uncollectible"):
        return
    if intent["status"] == "succeeded":
        mark_paid(invoice["id"], amount=intent["amount_received"], now=now)
    elif intent["status"] == "requires_action":
        _note_attempt(invoice, now=now)
        events.emit("invoice.payment_action_required", invoice, now=now)
    elif intent["status"] == "requires_payment_method":
        note_failure(invoice["id"], intent, now=now)


@transaction.atomic
def mark_paid(invoice_id: str, *, amount: int, now: datetime, out_of_band: bool = False) -> Data:
    """This will close an open invoice as paid and let its subscription know."""
    from billing.sandbox.services import subscriptions

    invoice = store.lock("invoice", invoice_id)
    _require(invoice, ("open", "uncollectible"), "pay")
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_due"] if out_of_band else amount,
        "amount_remaining": 0,
        "attempted": True,
        "attempt_count": invoice["attempt_count"] + (1 if amount else 0),
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    invoice["status_transitions"]["paid_at"] = store.timestamp(now)
    store.save(invoice)
    payment = find_default_payment(invoice_id)
    if payment and payment["status"] == "open":
        payment |= {"status": "canceled" if out_of_band else "paid", "amount_paid": None if out_of_band else amount}
        moment = "canceled_at" if out_of_band else "paid_at"
        payment["status_transitions"][moment] = store.timestamp(now)
        store.save(payment)
    subscriptions.note_invoice_paid(invoice, now=now)
    events.emit("invoice.paid", invoice, now=now)
    events.emit("invoice.payment_succeeded", invoice, now=now)
    if payment and payment["status"] == "paid":
        events.emit("invoice_payment.paid", payment, now=now)
    return invoice


@transaction.atomic
def note_failure(invoice_id: str, intent: Data, *, now: datetime) -> Data:
    """This will note that collecting an invoice failed and let its subscription know."""
    from billing.sandbox.services import subscriptions

    invoice = store.lock("invoice", invoice_id)
    _note_attempt(invoice, now=now)
    if invoice["billing_reason"] == "subscription_cycle":
        invoice["next_payment_attempt"] = store.timestamp(now + FIRST_RETRY)
        store.save(invoice)
    events.emit("invoice.payment_failed", invoice, now=now)
    subscriptions.note_invoice_failed(invoice, now=now)
    return invoice


@transaction.atomic
def void_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will void an open invoice; its payment intent is cancelled.

    :raises UnexpectedState: when it is not open.
    """
    from billing.sandbox.services import subscriptions

    before = store.lock("invoice", invoice_id, param="invoice")
    _require(before, ("open", "uncollectible"), "void")
    invoice = copy.deepcopy(before)
    invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["voided_at"] = store.timestamp(now)
    store.save(invoice)
    payment = find_default_payment(invoice_id)
    if payment and payment["status"] == "open":
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = store.timestamp(now)
        store.save(payment)
        intent = store.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] not in payments.FINAL | {"processing"}:
            payments.cancel_intent(intent["id"], reason="void_invoice", now=now)
    events.emit("invoice.voided", invoice, now=now)
    subscriptions.note_invoice_voided(invoice, now=now)
    return invoice


@transaction.atomic
def mark_uncollectible(invoice_id: str, *, now: datetime) -> Data:
    """This will write an open invoice off."""
    invoice = store.lock("invoice", invoice_id, param="invoice")
    _require(invoice, ("open",), "mark as uncollectible")
    invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["marked_uncollectible_at"] = store.timestamp(now)
    store.save(invoice)
    events.emit("invoice.marked_uncollectible", invoice, now=now)
    return invoice


@transaction.atomic
def delete_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will delete a draft."""
    invoice = store.lock("invoice", invoice_id, param="invoice")
    _require(invoice, ("draft",), "delete")
    store.mark_deleted("invoice", invoice_id)
    events.emit("invoice.deleted", invoice, now=now)
    return {"id": invoice_id, "object": "invoice", "deleted": True}


def find_default_payment(invoice_id: str) -> Data | None:
    """This will return the invoice payment by which an invoice is paid or waits to be."""
    return store.find_first("invoice_payment", invoice=invoice_id)


def find_payment_method(invoice: Data) -> str | None:
    """This will return what an invoice is paid with: its own, its subscription's, or its customer's default."""
    subscription = subscription_of(invoice)
    candidates = [
        invoice["default_payment_method"],
        store.get("subscription", subscription)["default_payment_method"] if subscription else None,
        store.get("customer", invoice["customer"])["invoice_settings"]["default_payment_method"],
    ]
    return next((candidate for candidate in candidates if candidate), None)


def subscription_of(invoice: Data) -> str | None:
    """This will return the id of the subscription that made an invoice, or None."""
    details = (invoice["parent"] or {}).get("subscription_details")
    return details["subscription"] if details else None


def describe(invoice: Data) -> str:
    """This will return what the payment of an invoice is called."""
    spoken = {
        "subscription_create": "Subscription creation",
        "subscription_update": "Subscription update",
        "subscription_cycle": "Subscription update",
    }
    return spoken.get(invoice["billing_reason"], f"Payment for Invoice {invoice['number'] or ''}".strip())


def new_preview_id() -> str:
    return f"upcoming_in_1{ids.new_token(23)}"


def _note_attempt(invoice: Data, *, now: datetime) -> None:
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    store.save(invoice)


def _require(invoice: Data, statuses: tuple[str, ...], verb: str) -> None:
    if invoice["status"] not in statuses:
        raise UnexpectedState(
            f"You can only {verb} {' or '.join(statuses)} invoices. This invoice is {invoice['status']}.",
            code="invoice_not_editable" if verb == "finalize" else None,
        )
