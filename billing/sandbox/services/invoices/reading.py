"""What others want to know of an invoice."""

from typing import Any

from billing.sandbox import store
from billing.sandbox.errors import UnexpectedState

Data = dict[str, Any]


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


def require(invoice: Data, statuses: tuple[str, ...], verb: str) -> None:
    if invoice["status"] not in statuses:
        raise UnexpectedState(
            f"You can only {verb} {' or '.join(statuses)} invoices. This invoice is {invoice['status']}.",
            code="invoice_not_editable" if verb == "finalize" else None,
        )
