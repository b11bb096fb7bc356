from typing import Any

from billing.sandbox import ids


def new_customer(*, now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("customer"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": ids.new_token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def new_balance_transaction(
    *, customer: str, amount: int, ending_balance: int, currency: str, kind: str, now: int, invoice: str | None = None
) -> dict[str, Any]:
    """A change of a customer's credit balance, in cents; negative is in the customer's favour."""
    return {
        "id": ids.new_id("customer_balance_transaction"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "created": now,
        "credit_note": None,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "ending_balance": ending_balance,
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
