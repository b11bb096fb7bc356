"""Subscriptions, their paid invoices as far as credits need them, and changes of plan."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing.models.customers import Customer


class Interval(models.TextChoices):
    MONTHLY = "monthly", "monthly"
    YEARLY = "yearly", "yearly"


class Subscription(models.Model):
    """A subscription at Stripe, as far as credits need to know it. Written by `sync_subscription` alone."""

    id = models.CharField(primary_key=True, max_length=255, help_text="Stripe's subscription id, sub_…")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    plan = models.CharField(max_length=50)
    interval = models.CharField(max_length=10, choices=Interval.choices)
    price_id = models.CharField(max_length=255)
    item_id = models.CharField(max_length=255)
    status = models.CharField(max_length=30, help_text="As Stripe names it.")
    anchor_at = models.DateTimeField(
        help_text="The monthly allowance counts from here, whatever the interval; moves with unpaid time."
    )
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField()
    paid_until = models.DateTimeField(null=True, help_text="End of the last period that a paid invoice covers.")
    cancel_at_period_end = models.BooleanField(default=False)
    cancel_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    schedule_id = models.CharField(max_length=255, blank=True)
    pending_plan = models.CharField(max_length=50, blank=True)
    pending_interval = models.CharField(max_length=10, blank=True)
    pending_at = models.DateTimeField(null=True)
    displaced_plan = models.CharField(
        max_length=50,
        blank=True,
        default="",
        db_default="",
        help_text="A scheduled change that has given way to another change, not yet made or paid.",
    )
    displaced_interval = models.CharField(max_length=10, blank=True, default="", db_default="")
    displaced_end_at = models.DateTimeField(
        null=True, help_text="A planned end that has given way to a change not yet made or paid."
    )
    is_surplus = models.BooleanField(
        default=False, help_text="Paid although the user had a subscription: cancelled, refunded, gives nothing."
    )
    created_at = models.DateTimeField(help_text="Stripe's time.")

    class Meta:
        permissions = (("manage_subscription", "Can cancel and reactivate subscriptions"),)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="subscription_newest", fields=("-created_at", "id")),
            models.Index(name="subscription_by_status", fields=("status", "-created_at", "id")),
            models.Index(
                name="subscription_displaced",
                fields=("id",),
                condition=Q(~Q(displaced_plan="") | Q(displaced_end_at__isnull=False), ended_at__isnull=True),
            ),
            models.Index(name="subscription_surplus", fields=("-created_at", "id"), condition=Q(is_surplus=True)),
            models.Index(
                name="subscription_running",
                fields=("status", "plan", "interval"),
                condition=Q(ended_at__isnull=True, is_surplus=False),
            ),
        ]
        constraints = (
            models.UniqueConstraint(
                name="subscription_one_not_ended_per_user",
                fields=("user",),
                condition=Q(ended_at__isnull=True, is_surplus=False),
            ),
            models.CheckConstraint(name="subscription_interval_known", condition=Q(interval__in=Interval.values)),
            models.CheckConstraint(
                name="subscription_period_forward", condition=Q(current_period_end__gt=F("current_period_start"))
            ),
            models.CheckConstraint(
                name="subscription_ended_has_time",
                condition=Q(status__in=("canceled", "incomplete_expired"), ended_at__isnull=False)
                | (~Q(status__in=("canceled", "incomplete_expired")) & Q(ended_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="subscription_pending_whole",
                condition=Q(pending_plan="", pending_interval="", pending_at__isnull=True)
                | (~Q(pending_plan="") & ~Q(pending_interval="") & Q(pending_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="subscription_displaced_whole",
                condition=Q(displaced_plan="", displaced_interval="")
                | (~Q(displaced_plan="") & ~Q(displaced_interval="")),
            ),
        )

    def __str__(self) -> str:
        return self.id


class PaidInvoice(models.Model):
    """A paid invoice of a subscription: what it paid for, and what was granted for it. Paid is final."""

    id = models.CharField(primary_key=True, max_length=255, help_text="Stripe's invoice id, in_…")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="paid_invoices")
    billing_reason = models.CharField(max_length=50)
    paid_cents = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    period_start = models.DateTimeField(null=True, help_text="Of the lines that are no proration; empty without any.")
    period_end = models.DateTimeField(null=True)
    upgraded_from = models.CharField(
        max_length=50, blank=True, help_text="The plan before, on the invoice of an upgrade."
    )
    upgraded_to = models.CharField(max_length=50, blank=True)
    upgraded_at = models.DateTimeField(null=True, help_text="The proration date.")
    upgrade_credits = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    allowance_credits = models.DecimalField(
        max_digits=20, decimal_places=6, default=0, help_text="Allowances that were due when it was recorded."
    )
    paid_at = models.DateTimeField()
    is_returned = models.BooleanField(
        default=False, help_text="All that was paid went back: it pays for no further month."
    )

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="paid_invoice_by_subscription", fields=("subscription", "period_end")),
            models.Index(name="paid_invoice_revenue", fields=("paid_at",), include=("paid_cents",)),
            models.Index(name="paid_invoice_by_reason", fields=("billing_reason", "-paid_at", "id")),
        ]
        constraints = (
            models.CheckConstraint(
                name="paid_invoice_period_whole",
                # A comparison with NULL is no refusal, so both are named.
                condition=Q(period_start__isnull=True, period_end__isnull=True)
                | Q(period_start__isnull=False, period_end__isnull=False, period_end__gt=F("period_start")),
            ),
            models.CheckConstraint(
                name="paid_invoice_upgrade_whole",
                condition=Q(upgraded_from="", upgraded_to="", upgraded_at__isnull=True, upgrade_credits=0)
                | (~Q(upgraded_from="") & ~Q(upgraded_to="") & Q(upgraded_at__isnull=False, upgrade_credits__gte=0)),
            ),
        )

    def __str__(self) -> str:
        return self.id


class PlanChange(models.Model):
    """One answered request to change a plan, kept so that a retry with the same key gets the same answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="plan_changes")
    plan = models.CharField(max_length=50)
    interval = models.CharField(max_length=10, choices=Interval.choices)
    idempotency_key = models.CharField(max_length=255, null=True)
    request_hash = models.CharField(max_length=64)
    answer = models.JSONField(null=True, help_text="Empty until Stripe has answered.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(name="plan_change_newest", fields=("-created_at", "id")),)
        constraints = (
            models.UniqueConstraint(
                name="plan_change_key_unique",
                fields=("user", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return str(self.id)
