"""What all accounts together did on a day: what reports read, so that nothing has to add up millions of entries."""

from django.db import models

from credits.models.fields import CreditsField


class DayTotal(models.Model):
    """The sum of a day (UTC) over all accounts; `count_days` writes it, and writes the last days again."""

    class Kind(models.TextChoices):
        ENTRIES = "entries", "entries of a type"
        USAGE = "usage", "usage of an operation"
        STANDING = "standing", "what stood in the accounts when it was counted"

    pk = models.CompositePrimaryKey("day_date", "kind", "name")
    day_date = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=40, help_text="the type, the operation; or available, held, debt")
    count = models.BigIntegerField()
    credits = CreditsField(max_digits=26)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} on {self.day_date}"
