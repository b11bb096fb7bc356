"""Who a user is at Stripe."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q


class Customer(models.Model):
    """Which customer at Stripe a user is. One each; its row is the lock under which subscription state is written."""

    id = models.CharField(primary_key=True, max_length=255, help_text="Stripe's customer id, cus_…")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="billing_customer")
    former_ids = ArrayField(
        models.CharField(max_length=255),
        default=list,
        db_default=[],
        blank=True,
        help_text="Who the user was at Stripe until that was deleted there by hand; earlier payments name them.",
    )
    created_at = models.DateTimeField()
    state_version = models.PositiveBigIntegerField(
        default=0,
        help_text="Counts writes of subscription state: a state fetched before the last write is fetched again.",
    )
    changing_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then a change of the subscription that is under way keeps others out."
    )

    class Meta:
        permissions = (("sync_customer", "Can bring a customer up to date from Stripe"),)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="customer_newest", fields=("-created_at", "id")),
            GinIndex(name="customer_former_ids", fields=("former_ids",)),
        ]
        constraints = (models.CheckConstraint(name="customer_id_is_stripes", condition=Q(id__startswith="cus_")),)

    def __str__(self) -> str:
        return self.id

    @property
    def all_ids(self) -> list[str]:
        """Who the user is at Stripe, and was."""
        return [self.pk, *self.former_ids]
