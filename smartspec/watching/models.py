"""What has been told to operators, and what the slow proofs found last."""

from django.db import models


class Alert(models.Model):
    """A condition that does not hold at present."""

    name = models.CharField(primary_key=True, max_length=100)
    detail = models.TextField()
    broken_at = models.DateTimeField(help_text="When it was first seen.")
    is_told = models.BooleanField(default=False, help_text="Operators have had the mail.")

    def __str__(self) -> str:
        return self.name


class Proof(models.Model):
    """The last result of something too slow to be looked at whenever somebody asks, such as recomputing the ledger."""

    name = models.CharField(primary_key=True, max_length=100)
    holds = models.BooleanField()
    detail = models.TextField()
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
