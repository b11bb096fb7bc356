"""What the ground itself keeps."""

from django.db import models


class JobFailure(models.Model):
    """Why a job of the queue failed last. The queue keeps jobs, and no reasons."""

    job_id = models.BigIntegerField(primary_key=True)
    attempts = models.PositiveIntegerField(help_text="how often it has failed")
    error = models.TextField()
    traceback = models.TextField()
    failed_at = models.DateTimeField(db_index=True)

    class Meta:
        permissions = (
            ("retry_job", "Can start jobs of the queue again"),
            ("ignore_job", "Can decide that a job of the queue is not tried again"),
        )

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.error[:80]}"
