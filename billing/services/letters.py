"""What users are told by mail about their money: each once per cause, when the transaction that it tells of commits."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing import selectors
from billing.models import Dispute, PaidInvoice, Purchase, Refund, Subscription
from credits import selectors as credits_selectors
from smartspec import mail
from smartspec.paging import in_pages

# A card is looked at this long before it has to pay; one look a day cannot miss it.
LOOK_AHEAD = timedelta(days=10)


def tell_purchase(purchase: Purchase, *, now: datetime) -> None:
    """The receipt of bought credits."""
    mail.send_mail_once(
        user=purchase.user,
        template="purchase_paid",
        cause=str(purchase.pk),
        context={
            "credits": purchase.credits,
            "bonus_credits": purchase.bonus_credits,
            "total_credits": purchase.total_credits,
            "paid_cents": purchase.paid_cents,
            "currency": purchase.currency,
            "paid_at": purchase.fulfilled_at,
        },
        now=now,
    )


def tell_invoice(invoice: PaidInvoice, *, plan: str | None, now: datetime) -> None:
    """The receipt of a plan's invoice: the first, a renewal, an upgrade. One that cost nothing is no news. `plan` is
    that of the period that it pays for, which may have been followed by another since."""
    if not invoice.paid_cents:
        return
    subscription = invoice.subscription
    mail.send_mail_once(
        user=subscription.user,
        template="plan_paid",
        cause=invoice.pk,
        context={
            "plan": display_name(invoice.upgraded_to or plan or subscription.plan),
            "paid_cents": invoice.paid_cents,
            "currency": invoice.currency,
            "credits": invoice.allowance_credits + invoice.upgrade_credits,
            "period_end": invoice.period_end,
            "paid_at": invoice.paid_at,
        },
        now=now,
    )


def tell_failed_renewal(subscription: Subscription, invoice: dict[str, Any], *, now: datetime) -> None:
    """That a renewal was not paid, and where to pay it."""
    mail.send_mail_once(
        user=subscription.user,
        template="renewal_failed",
        cause=invoice["id"],
        context={
            "plan": display_name(subscription.plan),
            "amount_cents": invoice["amount_remaining"],
            "currency": invoice["currency"],
            "link": invoice["hosted_invoice_url"],
            "access_ends_at": selectors.access_ends_at(subscription),
        },
        now=now,
    )


def tell_second_subscription(subscription: Subscription, refunded_cents: int, currency: str, *, now: datetime) -> None:
    """That a second subscription was ended, and its money is on its way back."""
    mail.send_mail_once(
        user=subscription.user,
        template="second_subscription_refunded",
        cause=subscription.pk,
        context={"plan": display_name(subscription.plan), "amount_cents": refunded_cents, "currency": currency},
        now=now,
    )


def tell_given_back(subscription: Subscription, refund: dict[str, Any], *, now: datetime) -> None:
    """That money is on its way back which was paid for nothing, and had given no credits."""
    mail.send_mail_once(
        user=subscription.user,
        template="refunded",
        cause=refund["id"],
        context={"amount_cents": refund["amount"], "currency": refund["currency"], "credits": Decimal(0)},
        now=now,
    )


def tell_refund(refund: Refund, *, now: datetime) -> None:
    """That money is on its way back, and which credits went with it."""
    if refund.status not in (Refund.Status.PENDING, Refund.Status.SUCCEEDED) or refund.refund_id is None:
        return
    taken = [row.taken_credits - row.returned_credits for row in refund.clawbacks.all()]
    mail.send_mail_once(
        user=refund.user,
        template="refunded",
        cause=refund.refund_id,
        context={
            "amount_cents": refund.amount_cents,
            "currency": refund.currency,
            "credits": sum(taken, Decimal(0)),
        },
        now=now,
    )


def tell_dispute(dispute: Dispute, *, now: datetime) -> None:
    """That a dispute froze the account, and that it is over."""
    if dispute.frozen_at is None:
        return
    mail.send_mail_once(
        user=dispute.user,
        template="dispute_opened" if dispute.thawed_at is None else "dispute_over",
        cause=dispute.pk,
        context={"amount_cents": dispute.amount_cents, "currency": dispute.currency},
        now=now,
    )


def warn_of_expiring_cards(*, now: datetime) -> int:
    """This will tell whose card expires before it has to pay the next renewal, and return how many were told.

    :raises gateway.StripeUnavailable: Stripe cannot be reached; whoever was told is not told again.
    """
    soon = Subscription.objects.filter(
        status="active",
        is_surplus=False,
        cancel_at_period_end=False,
        cancel_at__isnull=True,
        current_period_end__gt=now,
        current_period_end__lte=now + LOOK_AHEAD,
    )
    return sum(warn_of_expiring_card(subscription, now=now) for subscription in in_pages(soon.select_related("user")))


def warn_of_expiring_card(subscription: Subscription, *, now: datetime) -> bool:
    renews_at = subscription.current_period_end
    cards = selectors.list_payment_methods(user_id=subscription.user_id)
    card = next((card for card in cards if card.is_default), None)
    if card is None or (card.exp_year, card.exp_month) >= (renews_at.year, renews_at.month):
        return False  # a card is good until the end of its month
    with transaction.atomic():
        return mail.send_mail_once(
            user=subscription.user,
            template="card_expires",
            cause=f"{card.id}:{card.exp_year}-{card.exp_month}",
            context={
                "plan": display_name(subscription.plan),
                "last4": card.last4,
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "renews_at": renews_at,
            },
            now=now,
        )


def display_name(plan: str) -> str:
    return credits_selectors.get_plan(plan).display_name
