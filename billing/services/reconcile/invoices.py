"""Invoices of subscriptions: those that are paid, those that are void and were paid all the same, and those that are
open though the plan has ended."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing import gateway, selectors, stripe_data
from billing.models import PaidInvoice, Subscription
from billing.services.gifts import has_in_period, list_gifts
from billing.services.invoices import give_missing_months, record_invoice
from billing.services.reconcile.comparing import Checks, Difference, Finding, Window, compare
from billing.services.reconcile.payments import is_back, missing_gifts
from billing.services.subscriptions import is_renewal_to_void, void_renewals
from billing.services.unowed import balance_is_back, balance_used_cents, give_back_void
from credits import selectors as credits_selectors

VOID = "an invoice that is void"
ALLOWANCE_LATE = timedelta(hours=2)  # the hourly task gives it
BANKS_ANSWER_WITHIN = timedelta(days=30)


def check_invoices(window: Window, now: datetime) -> Checks:
    """Stripe's paid invoices of subscriptions."""
    for invoice in window.list_all(gateway.list_all_invoices, status="paid"):
        yield compare_invoice(invoice, now)


def compare_invoice(invoice: dict[str, Any], now: datetime) -> Finding | None:
    def repair() -> None:
        recorded = record_invoice(invoice_id=invoice["id"], now=now)
        if recorded is not None and gave_nothing(recorded, now):
            give_missing_months(invoice_id=recorded.pk, now=now)

    return compare(invoice["id"], lambda: look_at_invoice(invoice, now), repair)


def look_at_invoice(invoice: dict[str, Any], now: datetime) -> Difference | None:
    subscription_id = stripe_data.invoice_subscription_id(invoice)
    customer = selectors.find_customer(stripe_data.object_id(invoice["customer"]))
    if not subscription_id or customer is None:
        return None
    recorded = PaidInvoice.objects.filter(pk=invoice["id"]).select_related("subscription").first()

    def differ(kind: str, detail: str) -> Difference:
        return Difference(kind, invoice["id"], str(customer.user_id), detail)

    if recorded is None:
        if Subscription.objects.filter(pk=subscription_id, is_surplus=True, ended_at__isnull=False).exists():
            return look_at_surplus(invoice["id"], customer.user_id)
        return differ("paid_not_granted", f"{invoice['amount_paid']} cents paid, and unknown here.")
    if recorded.paid_cents != invoice["amount_paid"]:
        return differ("amount_mismatch", f"{invoice['amount_paid']} cents paid, {recorded.paid_cents} recorded.")
    if missing := missing_gifts(recorded):
        return differ("amount_mismatch", f"{missing} grants are missing in the ledger.")
    if gave_nothing(recorded, now):
        return differ("paid_not_granted", f"No credits for the time from {recorded.period_start:%Y-%m-%d}.")
    return None


def gave_nothing(recorded: PaidInvoice, now: datetime) -> bool:
    """Tell whether a paid period should have given a month by now, and gave neither one nor an upgrade."""
    begin, end, subscription = recorded.period_start, recorded.period_end, recorded.subscription
    if begin is None or end is None or recorded.is_returned or list_gifts(recorded):
        return False
    month = credits_selectors.month_at(anchor_at=subscription.anchor_at, at=begin)
    begins_at = begin if month.start_at == begin else month.end_at
    if begins_at >= min(end, now - ALLOWANCE_LATE, subscription.ended_at or end):
        return False
    given = credits_selectors.allowances_given(account_id=subscription.user_id, source=subscription.pk)
    return not any(has_in_period(recorded, one.period_start) for one in given)


def look_at_surplus(invoice_id: str, user_id: UUID) -> Difference | None:
    """What was paid for a second subscription must have gone back, whoever heard of it."""
    invoice = gateway.retrieve_invoice(invoice_id)
    for intent_id in stripe_data.invoice_payment_intent_ids(invoice):
        if kept := look_at_unowed(intent_id, user_id, "a second subscription"):
            return kept
    used_cents = balance_used_cents(invoice)
    if used_cents and not balance_is_back(invoice):
        detail = f"{used_cents} cents of the balance used for a second subscription."
        return Difference("paid_not_owed", invoice_id, str(user_id), detail)
    return None


def check_void_invoices(window: Window, now: datetime) -> Checks:
    """Stripe's void invoices of subscriptions of ours, made as long before the window as a bank may take to pay one."""
    for listed, subscription in list_longer(window, "void"):
        for intent_id in stripe_data.invoice_tried_payment_intent_ids(gateway.retrieve_invoice(listed["id"])):
            yield compare(
                intent_id,
                lambda intent_id=intent_id, user_id=subscription.user_id: look_at_unowed(intent_id, user_id, VOID),  # type: ignore[misc]
                lambda intent_id=intent_id: give_back_void(payment_intent_id=intent_id, now=now),  # type: ignore[misc]
            )


def check_open_invoices(window: Window, now: datetime) -> Checks:
    """Stripe's open invoices of subscriptions of ours that have ended: nobody is to pay them any more."""
    for listed, subscription in list_longer(window, "open"):
        if subscription.ended_at is not None:
            yield compare(
                listed["id"],
                lambda invoice_id=listed["id"], subscription=subscription: look_at_open(invoice_id, subscription),  # type: ignore[misc]
                lambda subscription=subscription: void_renewals(subscription),  # type: ignore[misc]
            )


def look_at_open(invoice_id: str, subscription: Subscription) -> Difference | None:
    invoice = gateway.retrieve_invoice(invoice_id)
    if not is_renewal_to_void(invoice):
        return None
    detail = f"{invoice['amount_remaining']} cents can be paid for a plan that has ended."
    return Difference("payable_not_owed", invoice_id, str(subscription.user_id), detail)


def list_longer(window: Window, status: str) -> Iterator[tuple[dict[str, Any], Subscription]]:
    """Yield Stripe's invoices of a status with our subscriptions, from as long before the window as banks may take."""
    longer = replace(window, since=window.since and window.since - BANKS_ANSWER_WITHIN)
    for listed in longer.list_all(gateway.list_all_invoices, status=status):
        subscription = Subscription.objects.filter(pk=stripe_data.invoice_subscription_id(listed)).first()
        if subscription is not None:
            yield listed, subscription


def look_at_unowed(intent_id: str, user_id: UUID, paid_for: str) -> Difference | None:
    """A payment for what nobody gets must have gone back."""
    intent = gateway.retrieve_payment_intent(intent_id)
    if intent["status"] != "succeeded" or is_back(intent_id, intent["amount_received"]):
        return None
    detail = f"{intent['amount_received']} cents paid for {paid_for}."
    return Difference("paid_not_owed", intent_id, str(user_id), detail)
