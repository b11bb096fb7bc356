"""What is sold and what was bought: packages, checkouts, subscriptions, and their invoices as far as credits need."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Customer(models.Model):
    """Which customer at Stripe a user is. One each; its row is the lock under which subscription state is written."""

    id = models.CharField(primary_key=True, max_length=255, help_text="Stripe's customer id, cus_…")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="billing_customer")
    created_at = models.DateTimeField()
    state_version = models.PositiveBigIntegerField(
        default=0,
        help_text="Counts writes of subscription state: a state fetched before the last write is fetched again.",
    )

    class Meta:
        constraints = (models.CheckConstraint(name="customer_id_is_stripes", condition=Q(id__startswith="cus_")),)

    def __str__(self) -> str:
        return self.id


class Package(models.Model):
    """A number of credits at a fixed price. Staff edit it; a purchase keeps what was quoted."""

    id = models.SlugField(primary_key=True, max_length=50)
    name = models.CharField(max_length=100)
    credits = models.PositiveIntegerField()
    bonus_credits = models.PositiveIntegerField(default=0)
    price_cents = models.PositiveIntegerField()
    currency = models.CharField(max_length=3, default="usd")
    position = models.PositiveSmallIntegerField(default=0)
    is_popular = models.BooleanField(default=False)
    is_best_value = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("position", "id")
        constraints = (
            models.CheckConstraint(name="package_gives_credits", condition=Q(credits__gt=0)),
            models.CheckConstraint(name="package_costs_money", condition=Q(price_cents__gt=0)),
            models.CheckConstraint(name="package_currency_is_lower_case", condition=Q(currency__regex=r"^[a-z]{3}$")),
            # `credits_amount` that equals a package buys that package: there can only be one.
            models.UniqueConstraint(name="package_credits_unique", fields=("credits",), condition=Q(is_active=True)),
            models.UniqueConstraint(name="package_one_popular", fields=("is_popular",), condition=Q(is_popular=True)),
            models.UniqueConstraint(
                name="package_one_best_value", fields=("is_best_value",), condition=Q(is_best_value=True)
            ),
        )

    def __str__(self) -> str:
        return self.id

    @property
    def total_credits(self) -> int:
        return self.credits + self.bonus_credits

    @property
    def cents_per_credit(self) -> Decimal:
        """The price of one paid credit; the bonus comes on top."""
        return Decimal(self.price_cents) / self.credits


class CheckoutState(models.TextChoices):
    OPEN = "open", "open"
    PROCESSING = "processing", "processing"
    FULFILLED = "fulfilled", "fulfilled"
    NEEDS_REVIEW = "needs_review", "needs review"
    EXPIRED = "expired", "expired"
    FAILED = "failed", "failed"


class Interval(models.TextChoices):
    MONTHLY = "monthly", "monthly"
    YEARLY = "yearly", "yearly"


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
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="purchase_by_user", fields=("user", "-created_at")),
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
        help_text="The monthly allowance counts from here, whatever the interval; never moved."
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
    is_surplus = models.BooleanField(
        default=False, help_text="Paid although the user had a subscription: cancelled, refunded, gives nothing."
    )
    created_at = models.DateTimeField(help_text="Stripe's time.")

    class Meta:
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

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="paid_invoice_by_subscription", fields=("subscription", "period_end")),
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
        constraints = (
            models.UniqueConstraint(
                name="plan_change_key_unique",
                fields=("user", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return str(self.id)


class WebhookRefusal(models.Model):
    """How many webhook calls were refused in a minute, by cause. Nothing of the call itself is kept."""

    minute_at = models.DateTimeField()
    cause = models.CharField(max_length=40)
    count = models.PositiveIntegerField()

    class Meta:
        ordering = ("-minute_at", "cause")
        constraints = (
            models.UniqueConstraint(name="webhook_refusal_per_minute_and_cause", fields=("minute_at", "cause")),
        )

    def __str__(self) -> str:
        return f"{self.count} x {self.cause} at {self.minute_at:%Y-%m-%d %H:%M}"
