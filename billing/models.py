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
    is_returned = models.BooleanField(
        default=False, help_text="All that was paid went back: it pays for no further month."
    )

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

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    refund_id = models.CharField(max_length=255, null=True, unique=True, help_text="Stripe's refund, re_…")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.REQUESTED)
    keep_credits = models.BooleanField(default=False, help_text="The customer keeps the credits: nothing is taken.")
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=255, blank=True, help_text="Who of our staff asked for it; empty: not here.")
    idempotency_key = models.CharField(max_length=255, null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="refund_key_unique",
                fields=("purchase", "idempotency_key"),
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
        indexes: ClassVar[list[models.Index]] = [models.Index(name="dispute_by_user", fields=("user", "-created_at"))]
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


class ReconcileRun(models.Model):
    """One comparison of our books with Stripe's: the next one begins where the last clean one looked."""

    started_at = models.DateTimeField()
    since_at = models.DateTimeField()
    until_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    checked = models.PositiveIntegerField(default=0, help_text="Stripe's objects.")
    repaired = models.PositiveIntegerField(default=0)
    remaining = models.PositiveIntegerField(default=0, help_text="Differences that are still there.")
    differences = models.JSONField(default=list, help_text="The first hundred that remain.")

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {self.remaining} differences"


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
