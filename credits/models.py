"""The ledger's tables, the plans and the price list. Fields and constraints alone: the rules are in `credits/sql/`.

Every table of the ledger begins its key with `account_id`, the user's UUID, and its rows are numbered 1, 2, 3…
inside the account. Only the database functions write them, under the lock of the account's row.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from credits import ids

ZERO = Decimal("0")


class CreditsField(models.DecimalField):
    """Credits: exact decimals with 6 places, `numeric(20,6)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 20)
        kwargs.setdefault("decimal_places", 6)
        super().__init__(*args, **kwargs)


class Plan(models.Model):
    """What a plan gives every month and allows. Its price is checked against Stripe's, which cannot change."""

    slug = models.SlugField(primary_key=True, max_length=40)
    display_name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    monthly_credits = CreditsField()
    price_monthly_cents = models.PositiveIntegerField()
    price_yearly_cents = models.PositiveIntegerField()
    features = ArrayField(models.CharField(max_length=60))
    max_storage_mb = models.PositiveIntegerField(help_text="10^6 bytes")
    is_popular = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(monthly_credits__gte=0), name="credits_plan_monthly_credits_not_negative"
            ),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def name(self) -> str:
        """The slug: what the API calls the plan's name."""
        return self.slug


class Rate(models.Model):
    """What an operation costs from a moment on, for every model or for one. Never changed once it is in effect."""

    class Operation(models.TextChoices):
        IMAGE_GENERATION = "image_generation"
        VIDEO_GENERATION = "video_generation"
        AUDIO_GENERATION = "audio_generation"
        STORAGE = "storage"

    class Unit(models.TextChoices):
        IMAGE = "image"
        VIDEO = "video"
        STARTED_30_SECONDS = "started_30_seconds"
        GB_MONTH = "gb_month"

    operation = models.CharField(max_length=40, choices=Operation.choices)
    unit = models.CharField(max_length=40, choices=Unit.choices)
    base_credits = CreditsField()
    modifiers = models.JSONField(
        default=list,
        help_text='[{"label": "HD quality", "field": "quality", "equals": "hd", "percent": 50}]; or "above": 5',
    )
    model_id = models.CharField(max_length=200, blank=True, default="", help_text="empty: every model")
    effective_from = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(base_credits__gt=0), name="credits_rate_base_credits_positive"),
            models.UniqueConstraint(
                fields=["operation", "model_id", "effective_from"], name="credits_rate_one_per_moment"
            ),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.model_id or 'any model'} from {self.effective_from:%Y-%m-%d}"


class Account(models.Model):
    """One user's credits, and the one lock of all that concerns them. balance = available + held - debt."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        db_column="account_id",
        on_delete=models.PROTECT,
        related_name="credit_account",
    )
    available = CreditsField(default=ZERO, help_text="the sum of what remains in the open lots")
    held = CreditsField(default=ZERO, help_text="the sum of the open holds")
    debt = CreditsField(default=ZERO, help_text="what a clawback could not find")
    entry_count = models.BigIntegerField(default=0, help_text="number of the newest entry")
    hold_count = models.BigIntegerField(default=0, help_text="number of the newest hold")
    head_grant = models.BigIntegerField(default=0, help_text="the lot that burns first; 0: none")
    next_due_at = models.DateTimeField(help_text="nothing ends before: lots, holds, the allowance's period")
    last_entry_at = models.DateTimeField(help_text="entries in order of number are in order of time")
    frozen_causes = ArrayField(models.CharField(max_length=200), default=list)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, db_column="plan", related_name="+")
    plan_source = models.CharField(max_length=200, default="free", help_text="opaque; what the plan comes from")
    anchor_at = models.DateTimeField(help_text="allowance periods are counted from here, in calendar months, UTC")
    paid_from = models.DateTimeField(null=True, help_text="start of what is paid for without a gap")
    paid_until = models.DateTimeField(null=True)
    allowance_until = models.DateTimeField(
        null=True, db_index=True, help_text="end of the newest period given by this plan source"
    )
    period_start_at = models.DateTimeField(help_text="of the allowance period that period_used counts")
    period_end_at = models.DateTimeField()
    period_used = CreditsField(default=ZERO, help_text="captured in this period, less what was refunded of it")
    opened_at = models.DateTimeField()

    user_id: UUID

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(available__gte=0), name="credits_account_available_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="credits_account_held_not_negative"),
            models.CheckConstraint(condition=Q(debt__gte=0), name="credits_account_debt_not_negative"),
            models.CheckConstraint(
                condition=Q(debt=0) | Q(available=0), name="credits_account_debt_leaves_nothing_available"
            ),
            models.CheckConstraint(condition=Q(period_used__gte=0), name="credits_account_period_used_not_negative"),
            models.CheckConstraint(
                condition=Q(period_start_at__lt=F("period_end_at")), name="credits_account_period_has_length"
            ),
            models.CheckConstraint(
                condition=Q(entry_count__gte=0, hold_count__gte=0), name="credits_account_counts_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"account {self.user_id}"

    @property
    def account_id(self) -> UUID:
        return self.user_id


class EntryType(models.TextChoices):
    PURCHASE = "purchase"
    USAGE = "usage"
    REFUND = "refund"
    BONUS = "bonus"
    SUBSCRIPTION = "subscription"
    ADJUSTMENT = "adjustment"
    EXPIRY = "expiry"
    CLAWBACK = "clawback"


class Entry(models.Model):
    """One immutable line that changes the balance. The database refuses to change or delete it."""

    Type = EntryType

    pk = models.CompositePrimaryKey("account_id", "number")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="entries"
    )
    number = models.BigIntegerField()
    entry_type = models.CharField(max_length=12, choices=EntryType.choices)
    delta_credits = CreditsField(help_text="signed: what the balance changed by")
    balance_after = CreditsField(help_text="available + held - debt, after this entry")
    type_number = models.BigIntegerField(help_text="the how many-th entry of its type in the account")
    type_credits_after = CreditsField(help_text="running sum of the entries of its type in the account")
    hold_number = models.BigIntegerField(null=True, help_text="the hold that was captured or refunded")
    lot_numbers = ArrayField(
        models.BigIntegerField(), null=True, help_text="lots that it took from, where no hold says so"
    )
    lot_credits = ArrayField(CreditsField(), null=True)
    reference_type = models.CharField(max_length=60, blank=True)
    reference_id = models.CharField(max_length=255, blank=True)
    model_id = models.CharField(max_length=200, blank=True)
    description = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    account_id: UUID

    class Meta:
        verbose_name_plural = "entries"
        constraints = (
            models.UniqueConstraint(fields=["account", "entry_type", "type_number"], name="credits_entry_type_number"),
            models.CheckConstraint(
                condition=Q(number__gte=1, type_number__gte=1), name="credits_entry_numbers_from_one"
            ),
            models.CheckConstraint(condition=Q(entry_type__in=EntryType.values), name="credits_entry_known_type"),
            models.CheckConstraint(
                condition=(
                    Q(entry_type__in=["purchase", "bonus", "subscription", "refund"], delta_credits__gt=0)
                    | Q(entry_type__in=["usage", "expiry"], delta_credits__lt=0)
                    | Q(entry_type="adjustment") & ~Q(delta_credits=0)
                    | Q(entry_type="clawback") & ~Q(delta_credits=0)
                ),
                name="credits_entry_sign_fits_type",
            ),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.entry_id(self.account_id, self.number)

    @property
    def balance_before(self) -> Decimal:
        return self.balance_after - self.delta_credits


class EntryTotal(models.Model):
    """How many entries of one type an account has, and their sum: what page counts and summaries are read from."""

    pk = models.CompositePrimaryKey("account_id", "entry_type")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="entry_totals"
    )
    entry_type = models.CharField(max_length=12, choices=EntryType.choices)
    entries = models.BigIntegerField()
    credits = CreditsField()

    account_id: UUID

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(entries__gte=1), name="credits_entrytotal_entries_from_one"),)

    def __str__(self) -> str:
        return f"{self.entry_type} of {self.account_id}"


class Grant(models.Model):
    """A lot of credits given at one time, numbered by its entry. Unique by the economic fact that it comes from."""

    class Kind(models.TextChoices):
        SUBSCRIPTION = "subscription"
        PURCHASE = "purchase"
        BONUS = "bonus"
        REFUND = "refund"
        ADJUSTMENT = "adjustment"

    pk = models.CompositePrimaryKey("account_id", "number")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="grants")
    number = models.BigIntegerField(help_text="of the entry that gave it")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    source = models.CharField(max_length=255)
    credits = CreditsField()
    remaining = CreditsField(help_text="neither held, spent, expired nor taken back")
    repaid = CreditsField(default=ZERO, help_text="what paid off debt when it was given")
    expired = CreditsField(default=ZERO, help_text="what ended unspent")
    clawed_back = CreditsField(default=ZERO, help_text="what was taken back for it, from any lot or as debt")
    priority = models.SmallIntegerField()
    is_paid = models.BooleanField(help_text="bought; what was given burns first")
    is_open = models.BooleanField(help_text="something remains")
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="exclusive; empty: never")
    own_end_at = models.DateTimeField(null=True, help_text="its end before returned credits prolonged it, once")

    account_id: UUID

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "kind", "source"], name="credits_grant_one_per_source"),
            models.CheckConstraint(
                condition=Q(kind__in=["subscription", "purchase", "bonus", "refund", "adjustment"]),
                name="credits_grant_known_kind",
            ),
            models.CheckConstraint(condition=Q(credits__gt=0), name="credits_grant_credits_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("credits")), name="credits_grant_remaining_in_range"
            ),
            models.CheckConstraint(
                condition=Q(repaid__gte=0, repaid__lte=F("credits")), name="credits_grant_repaid_in_range"
            ),
            models.CheckConstraint(condition=Q(expired__gte=0), name="credits_grant_expired_not_negative"),
            models.CheckConstraint(
                condition=Q(clawed_back__gte=0, clawed_back__lte=F("credits")),
                name="credits_grant_clawed_back_in_range",
            ),
            models.CheckConstraint(
                condition=Q(is_open=True, remaining__gt=0) | Q(is_open=False, remaining=0),
                name="credits_grant_open_while_something_remains",
            ),
            models.CheckConstraint(
                condition=Q(own_end_at__isnull=True) | Q(expires_at__isnull=False, expires_at__gte=F("own_end_at")),
                name="credits_grant_prolonged_past_its_own_end",
            ),
        )
        indexes = (
            models.Index(
                fields=["account", "priority", "expires_at", "is_paid", "effective_at", "number"],
                condition=Q(is_open=True),
                name="credits_grant_burn_order",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(is_open=True, expires_at__isnull=False),
                name="credits_grant_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.source}"


class Hold(models.Model):
    """Credits reserved for a job, with the receipt of which lots gave what."""

    class Status(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"
        EXPIRED = "expired"

    pk = models.CompositePrimaryKey("account_id", "number")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="holds"
    )
    number = models.BigIntegerField()
    operation = models.CharField(max_length=40)
    model_id = models.CharField(max_length=200, blank=True)
    parameters = models.JSONField(null=True, help_text="quality, duration_seconds, quantity, where given")
    credits = CreditsField()
    captured = CreditsField(default=ZERO)
    refunded = CreditsField(default=ZERO, help_text="of what was captured")
    repaid = CreditsField(default=ZERO, help_text="of what came back: what paid off debt")
    status = models.CharField(max_length=10, choices=Status.choices)
    high_priority = models.BooleanField(default=False)
    lot_numbers = ArrayField(models.BigIntegerField())
    lot_credits = ArrayField(CreditsField())
    reference_id = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True)
    fingerprint = models.UUIDField(null=True, help_text="digest of what was asked for, for replays")
    available_after = CreditsField()
    capture_entry = models.BigIntegerField(null=True)
    refund_entry = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    account_id: UUID

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="credits_hold_one_per_key",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "captured", "released", "expired"]), name="credits_hold_known_status"
            ),
            models.CheckConstraint(condition=Q(credits__gt=0), name="credits_hold_credits_positive"),
            models.CheckConstraint(
                condition=Q(captured__gte=0, captured__lte=F("credits")), name="credits_hold_captured_in_range"
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("captured")), name="credits_hold_refunded_in_range"
            ),
            models.CheckConstraint(
                condition=Q(status="captured", captured__gt=0, capture_entry__isnull=False)
                | (~Q(status="captured") & Q(captured=0, capture_entry__isnull=True)),
                name="credits_hold_captured_by_one_entry",
            ),
            models.CheckConstraint(
                condition=Q(refunded=0, refund_entry__isnull=True) | Q(refunded__gt=0, refund_entry__isnull=False),
                name="credits_hold_refunded_by_one_entry",
            ),
            models.CheckConstraint(
                condition=Q(repaid__gte=0, repaid__lte=F("credits") - F("captured") + F("refunded")),
                name="credits_hold_repaid_from_what_came_back",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gte=F("created_at")), name="credits_hold_expires_after_creation"
            ),
        )
        indexes = (
            models.Index(fields=["account", "expires_at"], condition=Q(status="open"), name="credits_hold_open"),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.hold_id(self.account_id, self.number)


class KeyRecord(models.Model):
    """What a call with an idempotency key did. A hold carries its key itself, a grant its source; the rest is here."""

    pk = models.CompositePrimaryKey("account_id", "action", "idempotency_key")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    action = models.CharField(max_length=12)
    idempotency_key = models.CharField(max_length=255)
    content = models.CharField(max_length=1000, help_text="what was asked for")
    entry_number = models.BigIntegerField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="the answer of an extension")
    created_at = models.DateTimeField()

    account_id: UUID

    def __str__(self) -> str:
        return f"{self.action} {self.idempotency_key}"


class UsageDay(models.Model):
    """What an account spent on a day (UTC), by operation and model: captures, less what was refunded of them."""

    pk = models.CompositePrimaryKey("account_id", "day_date", "operation", "model_id")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="usage_days"
    )
    day_date = models.DateField()
    operation = models.CharField(max_length=40)
    model_id = models.CharField(max_length=200, blank=True)
    captures = models.BigIntegerField()
    credits = CreditsField()

    account_id: UUID

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(captures__gte=1, credits__gte=0), name="credits_usageday_in_range"),
        )

    def __str__(self) -> str:
        return f"{self.day_date} {self.operation} of {self.account_id}"


class FreeAllowanceAddress(models.Model):
    """One normalised address gets one Free allowance. The keyed hash outlives an erasure and serves nothing else."""

    address_hash = models.CharField(primary_key=True, max_length=64)
    account_id = models.UUIDField()
    given_until = models.DateTimeField(help_text="end of the period that was given last")

    def __str__(self) -> str:
        return self.address_hash[:8]
