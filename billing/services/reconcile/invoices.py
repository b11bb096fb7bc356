"""Paid invoices of subscriptions."""

from datetime import datetime
from typing import Any

from billing import gateway, stripe_data
from billing.models import PaidInvoice, Subscription
from billing.services.invoices import record_invoice
from billing.services.reconcile.comparing import Checks, Difference, Finding, Window, compare, find_customer
from billing.services.reconcile.payments import missing_gifts


def check_invoices(window: Window, now: datetime) -> Checks:
    """Stripe's paid invoices of subscriptions."""
    if window.is_nobody:
        return
    for invoice in gateway.list_all_invoices({**window.listed(), "status": "paid"}):
        yield compare_invoice(invoice, now)


def compare_invoice(invoice: dict[str, Any], now: datetime) -> Finding | None:
    return compare(
        invoice["id"], lambda: look_at_invoice(invoice), lambda: record_invoice(invoice_id=invoice["id"], now=now)
    )


def look_at_invoice(invoice: dict[str, Any]) -> Difference | None:
    subscription_id = stripe_data.invoice_subscription_id(invoice)
    customer = find_customer(stripe_data.object_id(invoice["customer"]))
    if not subscription_id or customer is None:
        return None
    recorded = PaidInvoice.objects.filter(pk=invoice["id"]).select_related("subscription").first()

    def differ(kind: str, detail: str) -> Difference:
        return Difference(kind, invoice["id"], str(customer.user_id), detail)

    if recorded is None:
        if Subscription.objects.filter(pk=subscription_id, is_surplus=True, ended_at__isnull=False).exists():
            return None
        return differ("paid_not_granted", f"{invoice['amount_paid']} cents paid, and unknown here.")
    if recorded.paid_cents != invoice["amount_paid"]:
        return differ("amount_mismatch", f"{invoice['amount_paid']} cents paid, {recorded.paid_cents} recorded.")
    missing = missing_gifts(recorded)
    return differ("amount_mismatch", f"{missing} grants are missing in the ledger.") if missing else None
