"""What is the matter with somebody's money, in words that need no knowledge of Stripe."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.urls import reverse

from billing import selectors
from billing.backoffice.home import money
from billing.backoffice.purchases import bought_text
from billing.models import CheckoutState, Dispute
from credits import selectors as credits_selectors
from smartspec import backoffice
from smartspec.backoffice import ActionLink, Alert
from smartspec.users.models import User

ROWS_LOOKED_AT = 20
JUST_NOW = timedelta(days=1)


@backoffice.alerts(right="billing.view_webhook", order=10)
def lost_webhooks(user: User, now: datetime) -> Iterable[Alert]:
    """News from Stripe that our work on failed: what it should have brought is missing."""
    for webhook in selectors.list_webhooks_in_trouble(user_id=user.pk, limit=ROWS_LOOKED_AT):
        is_dead = webhook.state == selectors.WebhookState.DEAD
        what_now = "Nobody tries again by itself: replay it." if is_dead else "It is tried again by itself."
        yield Alert(
            f"On {webhook.received_at:%Y-%m-%d at %H:%M} Stripe told us “{webhook.event_type}”, and our work on it"
            f" failed, so what it should have brought is missing. {what_now} {webhook.error or ''}".rstrip(),
            reverse("admin:billing_webhook_change", args=[webhook.pk]),
            tone="danger" if is_dead else "warning",
        )


@backoffice.alerts(right="billing.view_purchase", order=20)
def unsettled_purchases(user: User, now: datetime) -> Iterable[Alert]:
    """Purchases that are paid otherwise than quoted, or whose money is still on its way."""
    for purchase in selectors.list_purchases(user_id=user.pk, limit=ROWS_LOOKED_AT):
        url = reverse("admin:billing_purchase_change", args=[purchase.pk])
        if purchase.state == CheckoutState.PROCESSING:
            since = f"{purchase.created_at:%Y-%m-%d}"
            yield Alert(
                f"The money for {bought_text(purchase)} is on its way since {since}: banks take days, and the credits"
                " come when theirs has paid.",
                url,
                tone="info",
            )
        if purchase.state == CheckoutState.OPEN and purchase.created_at > now - JUST_NOW:
            yield Alert(
                f"They opened a checkout for {bought_text(purchase)} at {purchase.created_at:%Y-%m-%d %H:%M} and have"
                " not paid, as far as we know. “Fulfil again” asks Stripe.",
                url,
                ActionLink("resend-fulfilment", str(purchase.pk), "Fulfil again …"),
                tone="info",
            )
        if selectors.needs_review(purchase):
            paid, quoted = (
                money(cents or 0, purchase.currency) for cents in (purchase.paid_cents, purchase.price_cents)
            )
            yield Alert(
                f"They paid {paid} for {bought_text(purchase)}, which was quoted at {quoted}: nothing was given. Refund"
                " it, or give the credits all the same.",
                url,
                ActionLink("refund-purchase", str(purchase.pk), "Refund …"),
                tone="danger",
            )


@backoffice.alerts(right="billing.view_subscription", order=30)
def failed_renewal(user: User, now: datetime) -> Iterable[Alert]:
    """A plan whose renewal is not paid."""
    subscription = selectors.current_subscription(user_id=user.pk)
    if subscription is None or subscription.status != "past_due":
        return
    ends_at = selectors.access_ends_at(subscription)
    until = f" until {ends_at:%Y-%m-%d}, then the plan ends" if ends_at else ""
    yield Alert(
        f"The renewal of {subscription.plan.capitalize()} was not paid. Stripe tries their card again{until}. No"
        " credits of the plan come before it is paid.",
        reverse("admin:billing_subscription_change", args=[subscription.pk]),
    )


@backoffice.alerts(right="billing.view_dispute", order=40)
def disputes(user: User, now: datetime) -> Iterable[Alert]:
    """Payments that their bank asks about or disputes, and lost ones that still freeze the account."""
    causes = credits_selectors.frozen_causes(account_id=user.pk)
    for dispute in selectors.list_disputes(user_id=user.pk, until=now, limit=ROWS_LOOKED_AT):
        text = dispute_text(dispute)
        is_freezing = f"dispute:{dispute.pk}" in causes
        if not text and is_freezing:
            text = (
                f"The dispute of {money(dispute.amount_cents, dispute.currency)} is over ({dispute.status}). It freezes"
                " the account until somebody thaws it."
            )
        if text:
            yield Alert(
                text,
                reverse("admin:billing_dispute_change", args=[dispute.pk]),
                ActionLink("thaw", "", "Thaw …") if is_freezing else None,
                tone="danger" if is_freezing else "warning",
            )


def dispute_text(dispute: Dispute) -> str:
    """Write what a dispute that is not over means; empty for one that is."""
    if selectors.is_final(dispute):
        return ""
    amount = money(dispute.amount_cents, dispute.currency)
    due = f" Answer at Stripe until {dispute.evidence_due_at:%Y-%m-%d}." if dispute.evidence_due_at else ""
    if dispute.status.startswith("warning"):
        return f"Their bank asks about a payment of {amount}. Nothing is taken back yet.{due}"
    return f"Their bank disputes a payment of {amount}: its credits are taken back, the account is frozen.{due}"
