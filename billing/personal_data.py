"""What is held of a person's purchases, here and in the copy of Stripe's objects."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import selectors, services
from billing.models import Customer, Dispute, PaidInvoice, PlanChange, Purchase, Refund, Subscription, Webhook
from smartspec import backoffice
from smartspec.exports import Row, pick
from smartspec.users.models import User


@backoffice.exporters(order=30)
def stripe_customer(user: User, now: datetime) -> dict[str, Any] | None:
    customer = Customer.objects.filter(user=user).first()
    return {name: getattr(customer, name) for name in ("id", "former_ids", "created_at")} if customer else None


@backoffice.exporters(order=31)
def purchases(user: User, now: datetime) -> Iterator[Row]:
    bought = Purchase.objects.filter(user=user).order_by("created_at", "pk")
    names = ("id", "state", "package", "credits", "bonus_credits", "price_cents", "paid_cents", "currency")
    return pick(bought, *names, "session_id", "payment_intent_id", "created_at", "fulfilled_at")


@backoffice.exporters(order=32)
def subscriptions(user: User, now: datetime) -> Iterator[Row]:
    subscribed = Subscription.objects.filter(user=user).order_by("created_at", "pk")
    names = ("id", "plan", "interval", "status", "current_period_start", "current_period_end", "paid_until")
    return pick(subscribed, *names, "cancel_at_period_end", "cancel_at", "ended_at", "created_at")


@backoffice.exporters(order=33)
def invoices(user: User, now: datetime) -> Iterator[Row]:
    paid = PaidInvoice.objects.filter(subscription__user=user).order_by("paid_at", "pk")
    return pick(paid, "id", "subscription", "billing_reason", "paid_cents", "currency", "paid_at")


@backoffice.exporters(order=34)
def plan_changes(user: User, now: datetime) -> Iterator[Row]:
    changes = PlanChange.objects.filter(user=user).order_by("created_at", "pk")
    return pick(changes, "subscription", "plan", "interval", "created_at")


@backoffice.exporters(order=35)
def refunds(user: User, now: datetime) -> Iterator[Row]:
    sent = Refund.objects.filter(user=user).order_by("created_at", "pk")
    return pick(sent, "refund_id", "purchase", "invoice", "amount_cents", "currency", "status", "created_at")


@backoffice.exporters(order=36)
def disputes(user: User, now: datetime) -> Iterator[Row]:
    opened = Dispute.objects.filter(user=user).order_by("created_at", "pk")
    return pick(opened, "id", "purchase", "invoice", "amount_cents", "currency", "status", "reason", "created_at")


@backoffice.exporters(order=37)
def webhooks(user: User, now: datetime) -> Iterator[Row]:
    told = Webhook.objects.filter(user=user).order_by("received_at", "pk")
    return pick(told, "event_id", "event_type", "object_id", "received_at")


@backoffice.exporters(order=38)
def copied_from_stripe(user: User, now: datetime) -> Iterator[Row]:
    return selectors.iterate_mirrored(user_id=user.pk)


@backoffice.erasers(order=20)
def forget_customer(user: User, now: datetime) -> None:
    """End the subscription, have Stripe forget the customer, and take what we have of them in copies of its objects."""
    services.forget_customer(user=user, now=now)
