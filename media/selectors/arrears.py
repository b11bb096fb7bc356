"""What somebody owes for stored files, as their pages tell it."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from media.models import StorageAccount


@dataclass(frozen=True)
class Arrears:
    """Credits owed for stored files, and how far the ladder has gone: warned, uploads_stopped or files_deleted."""

    credits: Decimal
    step: str


def find_arrears(*, user_id: UUID) -> Arrears | None:
    """Return what a user owes for stored files; None while everything is paid."""
    account = StorageAccount.objects.filter(pk=user_id, unpaid_since__isnull=False).first()
    return Arrears(account.arrears_credits, account.step) if account else None
