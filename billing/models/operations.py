"""What runs by itself leaves behind: comparisons with Stripe."""

from django.db import models


class ReconcileRun(models.Model):
    """One comparison of our books with Stripe's: the next one begins where the last clean one looked."""

    started_at = models.DateTimeField()
    since_at = models.DateTimeField()
    until_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    checked = models.PositiveIntegerField(default=0, help_text="Stripe's objects.")
    repaired = models.PositiveIntegerField(default=0)
    remaining = models.PositiveIntegerField(default=0, help_text="Differences that are still there.")
    differences = models.JSONField(default=list, help_text="The first hundred that remain.")

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {self.remaining} differences"
