"""The daily rollup of usage."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from credits.models.accounts import Account
from credits.models.fields import CreditsField


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
