"""What happened between somebody and Stripe."""

from collections.abc import Iterable
from datetime import datetime

from django.urls import reverse

from billing import selectors
from billing.backoffice.home import money
from billing.backoffice.purchases import STATE_TONES, bought_text
from smartspec import backoffice
from smartspec.admin import plain_credits
from smartspec.backoffice import Line
from smartspec.users.models import User

WEBHOOK_TONES = {"processed": "success", "queued": "info", "failed": "danger", "dead": "danger", "ignored": "warning"}


@backoffice.timeline(right="billing.view_purchase", order=30)
def purchases(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """What they bought, or wanted to."""
    for purchase in selectors.list_purchases(user_id=user.pk, until=until, limit=limit):
        state = purchase.get_state_display()
        if purchase.fulfilled_at:
            state += f" {purchase.fulfilled_at:%Y-%m-%d %H:%M:%S}"
        about = (state, purchase.review_reason, purchase.payment_intent_id or purchase.session_id)
        yield Line(
            at=purchase.created_at,
            title=f"{bought_text(purchase)} for {money(purchase.price_cents, purchase.currency)}",
            detail=" · ".join(part for part in about if part),
            url=reverse("admin:billing_purchase_change", args=[purchase.pk]),
            tone=STATE_TONES.get(purchase.state, ""),
        )


@backoffice.timeline(right="billing.view_paidinvoice", order=40)
def invoices(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """What they paid for plans."""
    for invoice in selectors.list_paid_invoices(user_id=user.pk, until=until, limit=limit):
        period = f"{invoice.period_start:%Y-%m-%d} to {invoice.period_end:%Y-%m-%d}" if invoice.period_start else ""
        upgrade = (
            f"upgrade {invoice.upgraded_from} → {invoice.upgraded_to}, {plain_credits(invoice.upgrade_credits)} credits"
            if invoice.upgraded_to
            else ""
        )
        reason = invoice.billing_reason.replace("_", " ")
        yield Line(
            at=invoice.paid_at,
            title=f"Paid {money(invoice.paid_cents, invoice.currency)}: {reason}",
            detail=" · ".join(part for part in (period, upgrade, invoice.pk) if part),
            url=reverse("admin:billing_paidinvoice_change", args=[invoice.pk]),
            tone="success",
        )


@backoffice.timeline(right="billing.view_refund", order=50)
def refunds(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Money that went back."""
    for refund in selectors.list_refunds(user_id=user.pk, until=until, limit=limit):
        kept = "the customer keeps the credits" if refund.keep_credits else ""
        about = (refund.get_status_display(), kept, f"by {refund.actor}" if refund.actor else "", refund.refund_id)
        yield Line(
            at=refund.created_at,
            title=f"Refund of {money(refund.amount_cents, refund.currency)}",
            detail=" · ".join(part for part in about if part),
            url=reverse("admin:billing_refund_change", args=[refund.pk]),
            tone="warning",
        )


@backoffice.timeline(right="billing.view_dispute", order=60)
def disputes(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Payments that their bank disputes or asks about."""
    for dispute in selectors.list_disputes(user_id=user.pk, until=until, limit=limit):
        due = f"answer due {dispute.evidence_due_at:%Y-%m-%d}" if dispute.evidence_due_at else ""
        about = (dispute.status.replace("_", " "), dispute.reason.replace("_", " "), due, dispute.pk)
        is_inquiry = dispute.status.startswith("warning")
        yield Line(
            at=dispute.created_at,
            title=f"{'Inquiry about' if is_inquiry else 'Dispute of'} {money(dispute.amount_cents, dispute.currency)}",
            detail=" · ".join(part for part in about if part),
            url=reverse("admin:billing_dispute_change", args=[dispute.pk]),
            tone="success" if dispute.status == "won" else "danger",
        )


@backoffice.timeline(right="billing.view_subscription", order=70)
def plan_changes(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """Plans begun, changed and ended."""
    for change in selectors.list_plan_changes(user_id=user.pk, until=until, limit=limit):
        outcome = (change.answer or {}).get("status", "unanswered")
        yield Line(
            at=change.created_at,
            title=f"Change to {change.plan.capitalize()}, {change.interval}",
            detail=str(outcome).replace("_", " "),
            url=reverse("admin:billing_planchange_change", args=[change.pk]),
            tone="primary",
        )
    for checkout in selectors.list_plan_checkouts(user_id=user.pk, until=until, limit=limit):
        yield Line(
            at=checkout.created_at,
            title=f"Checkout of {checkout.plan.capitalize()}, {checkout.interval}",
            detail=" · ".join(part for part in (checkout.get_state_display(), checkout.subscription_id) if part),
            url=reverse("admin:billing_subscriptioncheckout_change", args=[checkout.pk]),
            tone=STATE_TONES.get(checkout.state, ""),
        )
    for ended in selectors.list_ended_subscriptions(user_id=user.pk, until=until, limit=limit):
        assert ended.ended_at  # noqa: S101 - the selector asks for it
        yield Line(
            at=ended.ended_at,
            title=f"{ended.plan.capitalize()} ended",
            detail=ended.pk,
            url=reverse("admin:billing_subscription_change", args=[ended.pk]),
            tone="warning",
        )


@backoffice.timeline(right="billing.view_webhook", order=75, is_detail=True)
def webhooks(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """What Stripe told us about them, and what came of it."""
    for webhook in selectors.list_webhooks(user_id=user.pk, until=until, limit=limit):
        left = [f"{change['what']} {change['state']}".strip() for change in webhook.changes]
        yield Line(
            at=webhook.received_at,
            title=webhook.event_type,
            detail=" · ".join([webhook.state, *left, webhook.event_id]),
            url=reverse("admin:billing_webhook_change", args=[webhook.pk]),
            tone=WEBHOOK_TONES.get(webhook.state, ""),
        )
