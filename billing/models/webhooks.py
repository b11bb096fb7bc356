"""What Stripe told us, delivery by delivery; of what was refused only how often."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Webhook(models.Model):
    """One delivery of an event: what it called for, and what became of it. dj-stripe's row beside it holds the body.

    Where its job stands is the queue's to say; `selectors.with_state` puts both together.
    """

    trigger = models.OneToOneField(
        "djstripe.WebhookEventTrigger", primary_key=True, on_delete=models.CASCADE, related_name="webhook"
    )
    event_id = models.CharField(max_length=255, db_index=True, help_text="Stripe's event, evt_…")
    event_type = models.CharField(max_length=255)
    object_id = models.CharField(max_length=255, blank=True, help_text="What the event is about.")
    customer_id = models.CharField(max_length=255, blank=True, help_text="Stripe's customer, cus_…")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    job_id = models.BigIntegerField(null=True, help_text="The job of its effect; empty: it calls for nothing.")
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list, help_text="What its effect left behind.")
    ignored_at = models.DateTimeField(null=True, help_text="When staff decided that nothing shall follow from it.")

    class Meta:
        permissions = (
            ("replay_webhook", "Can have a webhook's effect once more"),
            ("ignore_webhook", "Can decide that nothing follows from a webhook"),
        )
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="webhook_by_user", fields=("user", "-received_at")),
            models.Index(name="webhook_by_object", fields=("object_id",)),
            models.Index(name="webhook_by_customer", fields=("customer_id",)),
            models.Index(name="webhook_by_type", fields=("event_type", "-trigger")),
            models.Index(name="webhook_ignored", fields=("-trigger",), condition=Q(ignored_at__isnull=False)),
            models.Index(
                name="webhook_without_effect",
                fields=("-trigger",),
                condition=Q(job_id__isnull=True, ignored_at__isnull=True),
            ),
            models.Index(
                name="webhook_not_done",
                fields=("received_at",),
                condition=Q(processed_at__isnull=True, ignored_at__isnull=True, job_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


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
