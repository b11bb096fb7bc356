"""What a completed session leaves behind: the invoice of a purchase, a subscription, a saved card."""

from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.objects import invoice as invoice_objects
from billing.sandbox.services import discounts, events, invoices, setup_intents, subscriptions

Data = dict[str, Any]


def set_up(session: Data, payment_method: Data, *, now: datetime) -> None:
    """Save the card that a session in setup mode was opened for; the page authenticates it on the way."""
    wanted = store.get_private(session["id"])["params"].get("setup_intent_data") or {}
    store.set_private(payment_method["id"], is_set_up=True)
    params = {"customer": session["customer"]} | wanted
    intent = setup_intents.create_setup_intent({name: value for name, value in params.items() if value}, now=now)
    setup_intents.confirm_setup_intent(intent["id"], payment_method["id"], now=now)
    session["setup_intent"] = intent["id"]


def subscribe(session: Data, intent: Data | None, payment_method: Data | None, *, now: datetime) -> None:
    private = store.get_private(session["id"])
    recurring = [item for item in private["line_items"] if item["price"]["recurring"]]
    once = [item for item in private["line_items"] if not item["price"]["recurring"]]
    discount = session["total_details"]["amount_discount"]
    subscription, invoice = subscriptions.create_paid_by_checkout(
        customer=session["customer"],
        items=[{"price": item["price"]["id"], "quantity": item["quantity"]} for item in recurring],
        extra_lines=[_once_line(session, item, now=now) for item in once],
        data=private["params"].get("subscription_data") or {},
        intent=intent,
        payment_method=payment_method["id"] if payment_method else None,
        coupon=private.get("coupon") if discount else None,
        promotion_code=session["discounts"][0]["promotion_code"] if session["discounts"] else None,
        checkout_session=session["id"],
        now=now,
    )
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    _note_invoiced(session)


def invoice_purchase(session: Data, intent: Data | None, *, now: datetime) -> None:
    """Make the paid invoice that `invoice_creation` asks for."""
    if not session["invoice_creation"]["enabled"] or session["invoice"]:
        return
    if store.was_deleted("customer", session["customer"]):
        return  # a bank that answered late: nobody is left to make an invoice out to
    wanted = session["invoice_creation"]["invoice_data"]
    discount = session["total_details"]["amount_discount"]
    name = _discount_id(session, now=now) if discount else ""
    lines = []
    for item in store.get_private(session["id"])["line_items"]:
        part = item["amount_discount"]
        discount_amounts = [{"amount": part, "discount": name}] if part else []
        lines.append(_once_line(session, item, now=now) | {"discount_amounts": discount_amounts})
    invoice = invoices.create_draft(
        customer=session["customer"],
        currency=session["currency"],
        billing_reason="manual",
        lines=lines,
        now=now,
        extra={
            "description": wanted["description"],
            "footer": wanted["footer"],
            "custom_fields": wanted["custom_fields"],
            "metadata": wanted["metadata"] or {},
            "auto_advance": False,
        },
    )
    session["invoice"] = invoice["id"]
    _note_invoiced(session)
    invoice = invoices.finalize_invoice(invoice["id"], now=now)
    if invoice["status"] == "open" and intent is not None:
        invoices.attach_intent(invoice, intent, now=now)
        invoices.mark_paid(invoice["id"], amount=intent["amount_received"], now=now)


def _once_line(session: Data, item: Data, *, now: datetime) -> Data:
    """The invoice line of something that is bought once."""
    return {
        "amount": item["amount_subtotal"],
        "currency": item["currency"],
        "description": item["description"],
        "price": item["price"],
        "quantity": item["quantity"],
        "period_start": store.timestamp(now),
        "period_end": store.timestamp(now),
        "parent": invoice_objects.invoice_item_parent(
            invoice_item=_invoice_item(session, item, now=now), proration=False, subscription=None
        ),
    }


def _invoice_item(session: Data, item: Data, *, now: datetime) -> str:
    stored = invoice_objects.new_invoice_item(
        customer=session["customer"],
        amount=item["amount_subtotal"],
        currency=item["currency"],
        description=item["description"],
        price=item["price"],
        quantity=item["quantity"],
        period_start=store.timestamp(now),
        period_end=store.timestamp(now),
        now=store.timestamp(now),
    )
    store.add(stored, private={"session": session["id"]})
    return str(stored["id"])


def _note_invoiced(session: Data) -> None:
    """Tie the session's invoice items to its invoice, so that they are not pending any more."""
    for item in store.find("invoiceitem", customer=session["customer"], private__session=session["id"]):
        store.save(item | {"invoice": session["invoice"]})


def _discount_id(session: Data, *, now: datetime) -> str:
    private = store.get_private(session["id"])
    return discounts.record_discount(
        coupon=private["coupon"],
        promotion_code=session["discounts"][0]["promotion_code"],
        customer=session["customer"],
        checkout_session=session["id"],
        now=now,
    )


def save_payment_method(session: Data, payment_method: Data, intent: Data | None, *, now: datetime) -> None:
    """Attach what paid to the customer, where it will be used again."""
    wanted = session["mode"] == "subscription" or (intent or {}).get("setup_future_usage")
    if wanted:
        before = store.lock("payment_method", payment_method["id"])
        after = before | {"customer": session["customer"]}
        events.update(after, before=before, event_type="payment_method.attached", now=now)
