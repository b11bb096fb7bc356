"""Entries: the immutable lines of the ledger, and their counters."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from credits import ids
from credits.models.accounts import Account
from credits.models.fields import CreditsField


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
        indexes: ClassVar[list[models.Index]] = [
            # What came in of the types that go both ways; all others' totals tell it.
            models.Index(
                name="entry_came_in",
                fields=("account", "entry_type", "type_number"),
                include=("delta_credits",),
                condition=Q(entry_type__in=["adjustment", "clawback"], delta_credits__gt=0),
            )
        ]
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
