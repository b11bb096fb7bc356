"""Grants: lots of credits, and who had Free's."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from credits.models.accounts import Account
from credits.models.fields import ZERO, CreditsField


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
    paid_cents = models.BigIntegerField(null=True, help_text="what was paid for it, where that is known")
    currency = models.CharField(max_length=3, blank=True, default="", db_default="", help_text="of paid_cents")
    returns_grant = models.BigIntegerField(null=True, help_text="number of the grant whose clawback it undoes")

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
            models.CheckConstraint(
                condition=Q(paid_cents__isnull=True, currency="")
                | Q(paid_cents__isnull=False, paid_cents__gte=0, currency__regex="^[a-z]{3}$", kind="purchase"),
                name="credits_grant_money_is_for_what_was_bought",
            ),
            models.CheckConstraint(
                condition=Q(returns_grant__isnull=True) | Q(returns_grant__gte=1, returns_grant__lt=F("number")),
                name="credits_grant_returns_an_earlier_one",
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


class FreeAllowanceAddress(models.Model):
    """One normalised address gets one Free allowance. The keyed hash outlives an erasure and serves nothing else."""

    address_hash = models.CharField(primary_key=True, max_length=64)
    account_id = models.UUIDField()
    given_until = models.DateTimeField(help_text="end of the period that was given last")

    def __str__(self) -> str:
        return self.address_hash[:8]
