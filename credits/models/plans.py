"""Plans: what they give every month and allow."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from credits.models.fields import CreditsField


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
