"""The only writers of billing. Every one may be called again with what it was called with before."""

from billing.services.cancel_once import cancel_subscription_once
from billing.services.cancellations import (
    NoPendingChange,
    cancel_pending_change,
    cancel_subscription,
    reactivate_subscription,
)
from billing.services.cards import (
    PaymentMethodNotFound,
    delete_payment_method,
    make_default_payment_method,
    open_portal,
)
from billing.services.checkouts import (
    AlreadySubscribed,
    OpenedCheckout,
    open_credits_checkout,
    open_subscription_checkout,
)
from billing.services.customers import ensure_customer, find_user, replace_deleted
from billing.services.disputes import settle_dispute
from billing.services.exclusive import ChangeUnderWay, SubscriptionEnded, SubscriptionNotFound
from billing.services.forgetting import forget_customer
from billing.services.invoices import record_invoice
from billing.services.keys import IdempotencyConflict
from billing.services.letters import warn_of_expiring_cards
from billing.services.mirror import clear_old_webhooks, mirror_event
from billing.services.money_back import settle_later_allowances
from billing.services.packages import save_package
from billing.services.plan_changes import (
    ChangeInProgress,
    ChangeNotAvailable,
    NoChange,
    PlanChangeAnswer,
    SubscriptionNotActive,
    change_plan,
)
from billing.services.reconcile import Difference, Progress, reconcile
from billing.services.refunds import (
    NotRefundable,
    send_refund,
    settle_refund,
    settle_refunds_of_charge,
)
from billing.services.scheduling import put_back_change, put_back_changes
from billing.services.settlement import refresh_checkout, settle_payment, settle_session
from billing.services.setup import Setup, check_prices, compare_prices, set_up_stripe
from billing.services.staff import (
    NeverOpened,
    NotWaiting,
    RefundPreview,
    UnknownInvoice,
    UnknownPurchase,
    accept_by_staff,
    cancel_by_staff,
    find_invoice,
    find_purchase,
    preview_refund,
    reactivate_by_staff,
    refund_by_staff,
    refund_invoice_by_staff,
    require_waiting,
    resend_fulfilment,
    sync_user_from_stripe,
)
from billing.services.subscriptions import SyncContended, UnknownPrice, sync_scheduled, sync_subscription
from billing.services.webhooks import (
    MIRROR_PRIORITY,
    AlreadyProcessed,
    NothingToReplay,
    enqueue_webhook,
    ignore_webhook,
    note_applied,
    replay_webhook,
)

__all__ = [
    "MIRROR_PRIORITY",
    "AlreadyProcessed",
    "AlreadySubscribed",
    "ChangeInProgress",
    "ChangeNotAvailable",
    "ChangeUnderWay",
    "Difference",
    "IdempotencyConflict",
    "NeverOpened",
    "NoChange",
    "NoPendingChange",
    "NotRefundable",
    "NotWaiting",
    "NothingToReplay",
    "OpenedCheckout",
    "PaymentMethodNotFound",
    "PlanChangeAnswer",
    "Progress",
    "RefundPreview",
    "Setup",
    "SubscriptionEnded",
    "SubscriptionNotActive",
    "SubscriptionNotFound",
    "SyncContended",
    "UnknownInvoice",
    "UnknownPrice",
    "UnknownPurchase",
    "accept_by_staff",
    "cancel_by_staff",
    "cancel_pending_change",
    "cancel_subscription",
    "cancel_subscription_once",
    "change_plan",
    "check_prices",
    "clear_old_webhooks",
    "compare_prices",
    "delete_payment_method",
    "enqueue_webhook",
    "ensure_customer",
    "find_invoice",
    "find_purchase",
    "find_user",
    "forget_customer",
    "ignore_webhook",
    "make_default_payment_method",
    "mirror_event",
    "note_applied",
    "open_credits_checkout",
    "open_portal",
    "open_subscription_checkout",
    "preview_refund",
    "put_back_change",
    "put_back_changes",
    "reactivate_by_staff",
    "reactivate_subscription",
    "reconcile",
    "record_invoice",
    "refresh_checkout",
    "refund_by_staff",
    "refund_invoice_by_staff",
    "replace_deleted",
    "replay_webhook",
    "require_waiting",
    "resend_fulfilment",
    "save_package",
    "send_refund",
    "set_up_stripe",
    "settle_dispute",
    "settle_later_allowances",
    "settle_payment",
    "settle_refund",
    "settle_refunds_of_charge",
    "settle_session",
    "sync_scheduled",
    "sync_subscription",
    "sync_user_from_stripe",
    "warn_of_expiring_cards",
]
