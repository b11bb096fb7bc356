"""What runs by itself leaves behind: comparisons with Stripe, and refused webhooks."""

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


class WebhookRefusal(models.Model):
    """How many webhook calls were refused in a minute, by cause. Nothing of the call itself is kept."""

    minute_at = models.DateTimeField()
    cause = models.CharField(max_length=40)
    count = models.PositiveIntegerField()

    class Meta:
        ordering = ("-minute_at", "cause")
        constraints = (
            models.UniqueConstraint(name="webhook_refusal_per_minute_and_cause", fields=("minute_at", "cause")),
        )

    def __str__(self) -> str:
        return f"{self.count} x {self.cause} at {self.minute_at:%Y-%m-%d %H:%M}"
