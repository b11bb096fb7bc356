"""Checkout sessions: opened by the API, paid on the hosted page, expired by time."""

from billing.sandbox.services.checkout.discounting import apply_promotion_code, remove_promotion_code
from billing.sandbox.services.checkout.opening import create_session, update_session
from billing.sandbox.services.checkout.paying import (
    CardFields,
    PaymentOutcome,
    amount_due_now,
    complete_authentication,
    complete_without_payment,
    fail_authentication,
    looks_like_email,
    pay_with_bank_debit,
    pay_with_card,
    settle_bank_debit,
)
from billing.sandbox.services.checkout.sessions import (
    expire_if_due,
    expire_session,
    get_session,
    list_line_items,
)

__all__ = [
    "CardFields",
    "PaymentOutcome",
    "amount_due_now",
    "apply_promotion_code",
    "complete_authentication",
    "complete_without_payment",
    "create_session",
    "expire_if_due",
    "expire_session",
    "fail_authentication",
    "get_session",
    "list_line_items",
    "looks_like_email",
    "pay_with_bank_debit",
    "pay_with_card",
    "remove_promotion_code",
    "settle_bank_debit",
    "update_session",
]
