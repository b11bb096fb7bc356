"""Invoice items: what waits for the next invoice, or is put on a draft."""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterMissing, UnexpectedState
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import events
from billing.sandbox.services.invoices import drafting, reading

Data = dict[str, Any]


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
        reading.require(invoice, ("draft",), "add items to")
        line = invoice_objects.new_line(invoice=invoice["id"], **drafting.line_of_item(item))
        invoice["lines"]["data"].append(line)
        invoice["lines"]["total_count"] += 1
        drafting.add_up(invoice, balance=customer["balance"])
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
