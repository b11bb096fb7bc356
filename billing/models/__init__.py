"""What is sold and what was bought: packages, checkouts, subscriptions, and their invoices as far as credits need."""

from billing.models.checkouts import Checkout, CheckoutState, Purchase, SubscriptionCheckout
from billing.models.customers import Customer
from billing.models.money_back import Clawback, Dispute, MoneyBack, Refund
from billing.models.operations import ReconcileRun
from billing.models.packages import Package
from billing.models.subscriptions import Interval, PaidInvoice, PlanChange, Subscription
from billing.models.webhooks import Webhook, WebhookRefusal

__all__ = [
    "Checkout",
    "CheckoutState",
    "Clawback",
    "Customer",
    "Dispute",
    "Interval",
    "MoneyBack",
    "Package",
    "PaidInvoice",
    "PlanChange",
    "Purchase",
    "ReconcileRun",
    "Refund",
    "Subscription",
    "SubscriptionCheckout",
    "Webhook",
    "WebhookRefusal",
]
