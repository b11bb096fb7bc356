"""Corrections by staff: what was asked for, by whom, and what became of it."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from credits.models.fields import CreditsField
from smartspec.users.models import StaffReason


class Adjustment(models.Model):
    """A correction that a member of staff made, or one above their limit that somebody else decides about."""

    class State(models.TextChoices):
        AWAITING = "awaiting", "awaiting approval"
        DONE = "done", "done"
        REJECTED = "rejected", "rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    credits = CreditsField(help_text="signed: above zero is given, below is taken")
    expires_at = models.DateTimeField(null=True, help_text="of what is given; empty: never")
    reason = models.CharField(max_length=30, choices=StaffReason.choices)
    note = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="empty: within the limit of who asked",
    )
    decided_at = models.DateTimeField(null=True)
    decision_note = models.TextField(blank=True)
    entry_number = models.BigIntegerField(null=True, help_text="of the entry in the ledger")

    requested_by_id: Any
    user_id: Any

    class Meta:
        permissions = (
            ("adjust_credits", "Can give and take credits, within the role's limit"),
            ("approve_adjustment", "Can decide about adjustments above the limit"),
        )
        constraints = (
            models.CheckConstraint(condition=~Q(credits=0), name="adjustment_is_of_some_credits"),
            models.CheckConstraint(
                condition=Q(state="awaiting", entry_number__isnull=True, decided_by__isnull=True)
                | Q(state="done", entry_number__isnull=False)
                | Q(state="rejected", entry_number__isnull=True, decided_by__isnull=False),
                name="adjustment_moves_the_ledger_when_done",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True, decision_note="")
                | (Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(decision_note="")),
                name="adjustment_decision_whole",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                name="adjustment_decided_by_somebody_else",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("user")),
                name="adjustment_not_decided_by_who_gets_it",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(credits__gt=0), name="adjustment_expires_if_given"
            ),
        )
        indexes = (
            models.Index(fields=("requested_by", "requested_at"), name="adjustment_by_requester"),
            models.Index(fields=("user", "-requested_at"), name="adjustment_by_user"),
            models.Index(fields=("requested_at",), condition=Q(state="awaiting"), name="adjustment_awaiting"),
        )

    def __str__(self) -> str:
        return f"{self.credits.normalize():+f} credits, {self.get_state_display()}"
