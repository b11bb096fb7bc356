from typing import Any

from billing.sandbox import ids


def new_invoice(
    *, customer: dict[str, Any], currency: str, billing_reason: str, now: int, invoice_id: str | None = None
) -> dict[str, Any]:
    invoice_id = invoice_id or ids.new_id("invoice")
    return {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "SmartSpec Pro",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": billing_reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": customer["test_clock"],
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def new_line(
    *,
    invoice: str,
    amount: int,
    currency: str,
    description: str,
    price: dict[str, Any] | None,
    quantity: int,
    period_start: int,
    period_end: int,
    parent: dict[str, Any] | None,
    metadata: dict[str, str] | None = None,
    subscription: str | None = None,
    discount_amounts: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One line of an invoice; `amount` in cents, before discounts, negative for a credit."""
    return {
        "id": ids.new_id("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": discount_amounts or [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": metadata or {},
        "parent": parent,
        "period": {"end": period_end, "start": period_start},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
        if price
        else None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }


def subscription_item_parent(*, subscription: str, item: str, proration: bool) -> dict[str, Any]:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription,
            "subscription_item": item,
        },
        "type": "subscription_item_details",
    }


def invoice_item_parent(*, invoice_item: str, proration: bool, subscription: str | None) -> dict[str, Any]:
    return {
        "invoice_item_details": {
            "invoice_item": invoice_item,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }


def subscription_parent(
    *, subscription: str, metadata: dict[str, str], proration_date: int | None = None
) -> dict[str, Any]:
    """`parent` of an invoice that a subscription made."""
    details: dict[str, Any] = {"metadata": metadata, "subscription": subscription}
    if proration_date is not None:
        details["subscription_proration_date"] = proration_date
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def new_invoice_payment(*, invoice: dict[str, Any], payment_intent: str, amount: int, now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("invoice_payment"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": payment_intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def new_invoice_item(
    *,
    customer: str,
    amount: int,
    currency: str,
    description: str | None,
    price: dict[str, Any] | None,
    quantity: int,
    period_start: int,
    period_end: int,
    now: int,
    invoice: str | None = None,
    subscription: str | None = None,
    subscription_item: str | None = None,
    proration: bool = False,
) -> dict[str, Any]:
    """Something to be put on the customer's next invoice, or on the one named."""
    return {
        "id": ids.new_id("invoiceitem"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": now,
        "description": description,
        "discountable": not proration,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": {
            "subscription_details": {"subscription": subscription, "subscription_item": subscription_item},
            "type": "subscription_details",
        }
        if subscription
        else None,
        "period": {"end": period_end, "start": period_start},
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
        if price
        else None,
        "proration": proration,
        "proration_details": {"discount_amounts": []} if proration else None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
    }
