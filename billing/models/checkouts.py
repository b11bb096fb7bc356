"""Hosted checkouts, and what is bought by them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models.packages import Package
from billing.models.subscriptions import Interval


class CheckoutState(models.TextChoices):
    OPEN = "open", "open"
    PROCESSING = "processing", "processing"
    FULFILLED = "fulfilled", "fulfilled"
    NEEDS_REVIEW = "needs_review", "needs review"
    EXPIRED = "expired", "expired"
    FAILED = "failed", "failed"


class Checkout(models.Model):
    """What every hosted checkout has: whose it is, where it stands, how a retry finds it, where it leads back to.

    The row exists before the session does, so that nothing can be paid that we do not know of.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=CheckoutState.choices, default=CheckoutState.OPEN)
    session_id = models.CharField(max_length=255, null=True, unique=True, help_text="Stripe's session, cs_…")
    session_url = models.TextField(blank=True)
    idempotency_key = models.CharField(
        max_length=255, null=True, help_text="The caller's; given up when the session could not be opened."
    )
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of what the caller asked for.")
    success_url = models.CharField(max_length=2048, blank=True)
    cancel_url = models.CharField(max_length=2048, blank=True)
    created_at = models.DateTimeField()
    review_reason = models.TextField(blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.id)


class Purchase(Checkout):
    """A bought package or amount, with credits, bonus and price as quoted."""

    package = models.ForeignKey(
        Package, null=True, on_delete=models.PROTECT, related_name="purchases", help_text="Empty: a custom amount."
    )
    credits = models.PositiveIntegerField()
    bonus_credits = models.PositiveIntegerField(default=0)
    price_cents = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    payment_intent_id = models.CharField(max_length=255, blank=True, db_index=True)
    paid_cents = models.PositiveIntegerField(null=True, help_text="What was really paid: promotion codes, tax.")
    fulfilled_at = models.DateTimeField(null=True)

    class Meta:
        permissions = (
            ("refund_purchase", "Can refund purchases"),
            ("refund_keeping_credits", "Can refund and let the customer keep the credits"),
            ("resend_fulfilment", "Can have a purchase fulfilled again"),
            ("accept_purchase", "Can fulfil a purchase that was paid otherwise than quoted"),
        )
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="purchase_by_user", fields=("user", "-created_at")),
            models.Index(name="purchase_newest", fields=("-created_at", "id")),
            models.Index(name="purchase_by_state", fields=("state", "-created_at", "id")),
            models.Index(
                name="purchase_revenue",
                fields=("fulfilled_at",),
                include=("paid_cents",),
                condition=Q(fulfilled_at__isnull=False),
            ),
            models.Index(
                name="purchase_not_final",
                fields=("created_at",),
                condition=Q(state__in=("open", "processing", "needs_review")),
            ),
        ]
        constraints = (
            models.UniqueConstraint(
                name="purchase_idempotency_key_unique",
                fields=("user", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(name="purchase_state_known", condition=Q(state__in=CheckoutState.values)),
            models.CheckConstraint(name="purchase_gives_credits", condition=Q(credits__gt=0)),
            models.CheckConstraint(name="purchase_costs_money", condition=Q(price_cents__gt=0)),
            models.CheckConstraint(
                name="purchase_bonus_only_with_package", condition=Q(bonus_credits=0) | Q(package__isnull=False)
            ),
            models.CheckConstraint(
                name="purchase_fulfilled_was_paid",
                condition=Q(
                    state="fulfilled", paid_cents__isnull=False, fulfilled_at__isnull=False, session_id__isnull=False
                )
                | (~Q(state="fulfilled") & Q(fulfilled_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="purchase_review_has_reason", condition=~Q(state="needs_review") | ~Q(review_reason="")
            ),
        )

    @property
    def total_credits(self) -> int:
        return self.credits + self.bonus_credits


class SubscriptionCheckout(Checkout):
    """A hosted checkout that starts a plan."""

    plan = models.CharField(max_length=50)
    interval = models.CharField(max_length=10, choices=Interval.choices)
    price_id = models.CharField(max_length=255)
    subscription_id = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="subscription_checkout_by_user", fields=("user", "-created_at")),
            models.Index(name="subscription_checkout_by_sub", fields=("subscription_id",)),
            models.Index(name="subscription_checkout_newest", fields=("-created_at", "id")),
            models.Index(name="subscription_checkout_by_state", fields=("state", "-created_at", "id")),
            models.Index(name="subscription_checkout_by_term", fields=("interval", "-created_at", "id")),
        ]
        constraints = (
            models.UniqueConstraint(
                name="subscription_checkout_key_unique",
                fields=("user", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                name="subscription_checkout_state_known", condition=Q(state__in=CheckoutState.values)
            ),
            models.CheckConstraint(name="subscription_checkout_interval", condition=Q(interval__in=Interval.values)),
        )
