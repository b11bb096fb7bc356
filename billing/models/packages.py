"""What is sold once."""

from decimal import Decimal

from django.db import models
from django.db.models import Q


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
