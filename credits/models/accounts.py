"""Accounts: one user's credits, and the one lock of all that concerns them."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from credits.models.fields import ZERO, CreditsField
from credits.models.plans import Plan


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
        permissions = (("freeze_account", "Can freeze and thaw accounts"),)
        # Neither column changes when a job is paid for: the updates of accounts stay in their pages.
        indexes = (
            models.Index(fields=("user",), condition=Q(debt__gt=0), name="credits_account_in_debt"),
            models.Index(fields=("user",), condition=~Q(frozen_causes=[]), name="credits_account_frozen"),
        )
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
            models.CheckConstraint(
                condition=Q(next_due_at__lte=F("period_end_at")), name="credits_account_due_when_its_period_ends"
            ),
        )

    def __str__(self) -> str:
        return f"account {self.user_id}"

    @property
    def account_id(self) -> UUID:
        return self.user_id
