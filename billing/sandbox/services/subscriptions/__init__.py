"""The life of a subscription: made, paid, changed, cancelled."""

from billing.sandbox.services.subscriptions.cancelling import (
    cancel_subscription,
    resume_subscription,
)
from billing.sandbox.services.subscriptions.changing import enter_phase, update_subscription
from billing.sandbox.services.subscriptions.creating import create_paid_by_checkout, create_subscription
from billing.sandbox.services.subscriptions.discounting import note_used as note_discounts_used
from billing.sandbox.services.subscriptions.ending import do_what_is_due
from billing.sandbox.services.subscriptions.paying import (
    note_invoice_failed,
    note_invoice_paid,
    note_invoice_voided,
)
from billing.sandbox.services.subscriptions.previewing import preview_invoice
from billing.sandbox.services.subscriptions.renewing import is_retried
from billing.sandbox.services.subscriptions.state import ENDED, save_subscription

__all__ = [
    "ENDED",
    "cancel_subscription",
    "create_paid_by_checkout",
    "create_subscription",
    "do_what_is_due",
    "enter_phase",
    "is_retried",
    "note_discounts_used",
    "note_invoice_failed",
    "note_invoice_paid",
    "note_invoice_voided",
    "preview_invoice",
    "resume_subscription",
    "save_subscription",
    "update_subscription",
]
