"""Refunds, disputes, and the credits that they took."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing import stripe_data
from billing.models.checkouts import Purchase
from billing.models.subscriptions import PaidInvoice

FINAL = stripe_data.FINAL_DISPUTE_STATUSES


class MoneyBack(models.Model):
    """Money that goes back to a customer: what a refund and a dispute have in common."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    purchase = models.ForeignKey(Purchase, null=True, on_delete=models.PROTECT, related_name="%(class)ss")
    invoice = models.ForeignKey(
        PaidInvoice, null=True, on_delete=models.PROTECT, related_name="%(class)ss", help_text="Of a subscription."
    )
    payment_intent_id = models.CharField(max_length=255, blank=True, db_index=True)
    amount_cents = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(help_text="Stripe's time, once Stripe knows of it.")

    class Meta:
        abstract = True


class Refund(MoneyBack):
    """Money sent back. One that staff ask for here is written down before it is sent."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "requested"
        REFUSED = "refused", "refused by Stripe"
        PENDING = "pending", "pending"
        REQUIRES_ACTION = "requires_action", "requires action"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"
        CANCELED = "canceled", "canceled"

    UNSETTLED: ClassVar = (Status.PENDING, Status.REQUIRES_ACTION)
    RETURNING: ClassVar = (*UNSETTLED, Status.SUCCEEDED)  # the money is gone, or on its way to the customer
    VOID: ClassVar = (Status.REFUSED, Status.FAILED, Status.CANCELED)  # the money stays

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    refund_id = models.CharField(max_length=255, null=True, unique=True, help_text="Stripe's refund, re_…")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.REQUESTED)
    keep_credits = models.BooleanField(default=False, help_text="The customer keeps the credits: nothing is taken.")
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=255, blank=True, help_text="Who of our staff asked for it; empty: not here.")
    idempotency_key = models.CharField(max_length=255, null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="refund_by_user", fields=("user", "-created_at")),
            models.Index(name="refund_money", fields=("created_at",), include=("amount_cents", "status")),
            models.Index(name="refund_by_status", fields=("status", "-created_at", "id")),
        ]
        constraints = (
            models.UniqueConstraint(
                name="refund_key_unique",
                fields=("purchase", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
            models.UniqueConstraint(
                name="refund_invoice_key_unique",
                fields=("invoice", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                name="refund_is_of_one_payment",
                condition=Q(purchase__isnull=False, invoice__isnull=True)
                | Q(purchase__isnull=True, invoice__isnull=False),
            ),
            models.CheckConstraint(name="refund_is_of_some_money", condition=Q(amount_cents__gt=0)),
            models.CheckConstraint(
                name="refund_status_known",
                condition=Q(
                    status__in=("requested", "refused", "pending", "requires_action", "succeeded", "failed", "canceled")
                ),
            ),
            models.CheckConstraint(
                name="refund_known_at_stripe_once_sent",
                condition=Q(status__in=("requested", "refused"), refund_id__isnull=True)
                | (~Q(status__in=("requested", "refused")) & Q(refund_id__isnull=False)),
            ),
        )

    def __str__(self) -> str:
        return self.refund_id or str(self.id)


class Dispute(MoneyBack):
    """A payment that the customer's bank disputes."""

    id = models.CharField(primary_key=True, max_length=255, help_text="Stripe's dispute, dp_… or du_…")
    status = models.CharField(max_length=40, help_text="As Stripe names it.")
    reason = models.CharField(max_length=100, blank=True)
    is_reinstated = models.BooleanField(default=False, help_text="The money has come back.")
    evidence_due_at = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True, help_text="When it froze the account; staff may lift that.")
    thawed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="dispute_by_user", fields=("user", "-created_at")),
            models.Index(
                name="dispute_not_final",
                fields=("evidence_due_at",),
                condition=~Q(status__in=sorted(FINAL)),
            ),
            models.Index(name="dispute_lost", fields=("created_at",), condition=Q(status="lost")),
        ]
        constraints = (
            models.CheckConstraint(
                name="dispute_of_at_most_one_payment", condition=Q(purchase__isnull=True) | Q(invoice__isnull=True)
            ),
            models.CheckConstraint(
                name="dispute_thawed_was_frozen", condition=Q(thawed_at__isnull=True) | Q(frozen_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.id


class Clawback(models.Model):
    """What a refund or a dispute took back of one grant, and gave back again."""

    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="clawbacks")
    dispute = models.ForeignKey(Dispute, null=True, on_delete=models.PROTECT, related_name="clawbacks")
    kind = models.CharField(max_length=12, help_text="The grant's.")
    source = models.CharField(max_length=255, help_text="The grant's.")
    taken_credits = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    returned_credits = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    expired_credits = models.DecimalField(
        max_digits=20, decimal_places=6, default=0, help_text="Due, but expired unspent: not owed."
    )
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="clawback_has_one_cause",
                condition=Q(refund__isnull=False, dispute__isnull=True) | Q(refund__isnull=True, dispute__isnull=False),
            ),
            models.UniqueConstraint(
                name="clawback_one_per_refund_and_grant",
                fields=("refund", "kind", "source"),
                condition=Q(refund__isnull=False),
            ),
            models.UniqueConstraint(
                name="clawback_one_per_dispute_and_grant",
                fields=("dispute", "kind", "source"),
                condition=Q(dispute__isnull=False),
            ),
            models.CheckConstraint(
                name="clawback_returns_what_was_taken",
                condition=Q(taken_credits__gte=F("returned_credits"), returned_credits__gte=0, expired_credits__gte=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.source}"

    @property
    def cause(self) -> Refund | Dispute | None:
        """What took them."""
        return self.refund or self.dispute
