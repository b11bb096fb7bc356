"""Reads of billing. Nothing here writes, and nothing here calls Stripe unless its docstring says so."""

from billing.selectors.catalogue import (
    LOOKUP_KEY_PREFIX,
    get_quote,
    list_packages,
    lookup_key_of_plan,
    plan_of_price,
    price_id_of_plan,
)
from billing.selectors.checkouts import CheckoutStatus, find_checkout, find_checkout_by_id, get_checkout_status
from billing.selectors.subscriptions import (
    SubscriptionView,
    access_ends_at,
    current_subscription,
    get_subscription_view,
)
from billing.selectors.wallet import (
    Invoice,
    InvoiceNotFound,
    PaymentMethod,
    UpcomingInvoice,
    get_upcoming_invoice,
    list_invoices,
    list_payment_methods,
    portal_return_url,
)

__all__ = [
    "LOOKUP_KEY_PREFIX",
    "CheckoutStatus",
    "Invoice",
    "InvoiceNotFound",
    "PaymentMethod",
    "SubscriptionView",
    "UpcomingInvoice",
    "access_ends_at",
    "current_subscription",
    "find_checkout",
    "find_checkout_by_id",
    "get_checkout_status",
    "get_quote",
    "get_subscription_view",
    "get_upcoming_invoice",
    "list_invoices",
    "list_packages",
    "list_payment_methods",
    "lookup_key_of_plan",
    "plan_of_price",
    "portal_return_url",
    "price_id_of_plan",
]
