"""The proof: every account recomputed from its entries, lots, receipts and holds, and compared with what is cached."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from credits.selectors.batches import iterate_account_batches


@dataclass(frozen=True)
class Fault:
    """One difference in an account: what kind, at which entry, hold or lot, what is there and what should be."""

    account_id: UUID
    fault: str
    number: int | None
    found: str | None
    expected: str | None

    def __str__(self) -> str:
        where = f" {self.number}" if self.number is not None else ""
        return f"account {self.account_id}: {self.fault}{where} is {self.found}, should be {self.expected}"


def verify_account(*, account_id: UUID) -> list[Fault]:
    """Return every fault of one account; an empty list means that its books add up."""
    return _verify([account_id])


def verify_ledger() -> Iterator[tuple[int, list[Fault]]]:
    """Yield, per batch of accounts in ascending order, how many were verified and their faults. Constant memory."""
    for batch in iterate_account_batches():
        yield len(batch), _verify(batch)


def _verify(account_ids: list[UUID]) -> list[Fault]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM credits_verify_accounts(%s) ORDER BY account_id, fault", [account_ids])
        return [Fault(*row) for row in cursor.fetchall()]
