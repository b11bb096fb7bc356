"""Drafts: made from lines, added up, changed and deleted."""

import copy
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import changes, ids, store
from billing.sandbox.errors import ParameterMissing
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import discounts, events, payment_methods
from billing.sandbox.services.invoices import reading

Data = dict[str, Any]

DRAFT_FOR = timedelta(hours=1)  # https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
DAYS_UNTIL_DUE = 30
INVOICE_FIELDS = (
    "auto_advance",
    "collection_method",
    "custom_fields",
    "default_payment_method",
    "description",
    "due_date",
    "footer",
    "statement_descriptor",
)


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
    active: list[discounts.Active] | None = None,
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
        active=active,
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
    active: list[discounts.Active] | None = None,
    invoice_id: str | None = None,
) -> Data:
    """This will build an invoice, with the discounts that are active, and add it up, without storing it."""
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
        if invoice["collection_method"] == "send_invoice":
            invoice["due_date"] = _due_date(subscription["days_until_due"], now=now)
    if period is not None:
        invoice["period_start"], invoice["period_end"] = period
    lines = discounts.discount_lines(active or [], lines)
    made = [invoice_objects.new_line(invoice=invoice["id"], **line) for line in lines]
    invoice["lines"]["data"] = made
    invoice["lines"]["total_count"] = len(made)
    add_up(invoice, balance=customer["balance"])
    return invoice


def add_up(invoice: Data, *, balance: int) -> None:
    """This will recompute what an unpaid invoice comes to, given the customer's credit balance in cents."""
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    taken: dict[str, int] = {}
    for line in lines:
        for part in line["discount_amounts"]:
            taken[part["discount"]] = taken.get(part["discount"], 0) + part["amount"]
    total = subtotal - sum(taken.values())
    # A negative balance pays for some of it; a positive one is owed from before and comes on top.
    due = total - min(total, -balance) if total > 0 else 0
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_discount_amounts": [{"amount": amount, "discount": name} for name, amount in taken.items()],
        "total_pretax_credit_amounts": [
            {"amount": amount, "discount": name, "type": "discount"} for name, amount in taken.items()
        ],
        "discounts": list(taken),
        "starting_balance": balance,
        "ending_balance": None,
        "amount_due": due,
        "amount_remaining": due,
    }


@transaction.atomic
def create_invoice(params: Data, *, now: datetime) -> Data:
    """This will create a draft by hand, from the pending invoice items when asked to include them: the customer's, or
    those of the `subscription` that it is for.

    :raises ResourceMissing: for a payment method that is not the customer's.
    """
    if "customer" not in params:
        raise ParameterMissing("customer")
    customer = store.get("customer", params["customer"], param="customer", status=400)
    includes = params.get("pending_invoice_items_behavior") == "include"
    pending = store.find("invoiceitem", customer=customer["id"], invoice="") if includes else []
    subscription = None
    if subscription_id := params.get("subscription"):
        subscription = store.get("subscription", subscription_id, param="subscription", status=400)
        pending = [item for item in pending if _is_of(item, subscription_id)]
    currency = params.get("currency") or (pending[0]["currency"] if pending else customer["currency"]) or "usd"
    invoice = create_draft(
        customer=customer["id"],
        currency=currency,
        billing_reason="manual",
        lines=[line_of_item(item) for item in pending],
        subscription=subscription,
        now=now,
        extra={"auto_advance": params.get("auto_advance", False)},
    )
    for item in pending:
        store.save(item | {"invoice": invoice["id"]})
    before = copy.deepcopy(invoice)
    _change(invoice, params, now=now)
    return store.save(invoice) if invoice != before else invoice


def _is_of(item: Data, subscription_id: str) -> bool:
    details = (item["parent"] or {}).get("subscription_details") or {}
    return details.get("subscription") == subscription_id


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
def update_invoice(invoice_id: str, params: Data, *, now: datetime) -> Data:
    """This will change how an invoice is collected, its notes, metadata or payment method.

    :raises ResourceMissing: for a payment method that is not the customer's.
    """
    before = store.lock("invoice", invoice_id, param="invoice")
    invoice = copy.deepcopy(before)
    _change(invoice, params, now=now)
    return events.update(invoice, before=before, event_type="invoice.updated", now=now)


def _change(invoice: Data, params: Data, *, now: datetime) -> None:
    """Set what a request names. A draft that advances by itself is finalised in an hour; one that is sent has a day."""
    if method := params.get("default_payment_method"):
        payment_methods.get_owned(method, customer=invoice["customer"], param="default_payment_method")
    changes.set_fields(invoice, params, INVOICE_FIELDS)
    changes.set_metadata(invoice, params)
    if "auto_advance" in params and invoice["status"] == "draft":
        advances = store.timestamp(now + DRAFT_FOR) if invoice["auto_advance"] else None
        invoice["automatically_finalizes_at"] = advances
    is_sent = invoice["collection_method"] == "send_invoice"
    if is_sent and ("days_until_due" in params or invoice["due_date"] is None):
        invoice["due_date"] = _due_date(params.get("days_until_due"), now=now)


def _due_date(days: int | None, *, now: datetime) -> int:
    return store.timestamp(now + timedelta(days=DAYS_UNTIL_DUE if days is None else days))


@transaction.atomic
def delete_invoice(invoice_id: str, *, now: datetime) -> Data:
    """This will delete a draft."""
    invoice = store.lock("invoice", invoice_id, param="invoice")
    reading.require(invoice, ("draft",), "delete")
    store.mark_deleted("invoice", invoice_id)
    events.emit("invoice.deleted", invoice, now=now)
    return {"id": invoice_id, "object": "invoice", "deleted": True}


def new_preview_id() -> str:
    return f"upcoming_in_1{ids.new_token(23)}"
