"""What calls with an idempotency key did."""

from uuid import UUID

from django.db import models

from credits.models.accounts import Account


class KeyRecord(models.Model):
    """What a call with an idempotency key did. A hold carries its key itself, a grant its source; the rest is here."""

    pk = models.CompositePrimaryKey("account_id", "action", "idempotency_key")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    action = models.CharField(max_length=12)
    idempotency_key = models.CharField(max_length=255)
    content = models.CharField(max_length=1000, help_text="what was asked for")
    entry_number = models.BigIntegerField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="the answer of an extension")
    created_at = models.DateTimeField()

    account_id: UUID

    def __str__(self) -> str:
        return f"{self.action} {self.idempotency_key}"
