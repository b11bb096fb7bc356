"""The price list of operations."""

from django.db import models
from django.db.models import Q

from credits.models.fields import CreditsField


class Rate(models.Model):
    """What an operation costs from a moment on, for every model or for one. Never changed once it is in effect."""

    class Operation(models.TextChoices):
        IMAGE_GENERATION = "image_generation"
        VIDEO_GENERATION = "video_generation"
        AUDIO_GENERATION = "audio_generation"
        STORAGE = "storage"

    class Unit(models.TextChoices):
        IMAGE = "image"
        VIDEO = "video"
        STARTED_30_SECONDS = "started_30_seconds"
        GB_MONTH = "gb_month"

    operation = models.CharField(max_length=40, choices=Operation.choices)
    unit = models.CharField(max_length=40, choices=Unit.choices)
    base_credits = CreditsField()
    modifiers = models.JSONField(
        default=list,
        help_text='[{"label": "HD quality", "field": "quality", "equals": "hd", "percent": 50}]; or "above": 5',
    )
    model_id = models.CharField(max_length=200, blank=True, default="", help_text="empty: every model")
    effective_from = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(base_credits__gt=0), name="credits_rate_base_credits_positive"),
            models.UniqueConstraint(
                fields=["operation", "model_id", "effective_from"], name="credits_rate_one_per_moment"
            ),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.model_id or 'any model'} from {self.effective_from:%Y-%m-%d}"
