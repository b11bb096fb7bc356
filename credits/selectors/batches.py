"""All accounts, a few thousand at a time: what reads whole books goes through them so."""

from collections.abc import Iterator
from uuid import UUID

from credits.models import Account

# Enough accounts that one reading serves many, few enough rows that they are sorted in memory.
BATCH_ACCOUNTS = 2000
BATCH_ENTRIES = 100_000


def iterate_account_batches() -> Iterator[list[UUID]]:
    """Yield the ids of all accounts in ascending order, in batches of about as many entries. Constant memory."""
    last: UUID | None = None
    while True:
        accounts = Account.objects.order_by("pk")
        if last is not None:
            accounts = accounts.filter(pk__gt=last)
        batch: list[UUID] = []
        entries = 0
        for account_id, count in accounts.values_list("pk", "entry_count")[:BATCH_ACCOUNTS]:
            batch.append(account_id)
            entries += count
            if entries >= BATCH_ENTRIES:
                break
        if not batch:
            return
        last = batch[-1]
        yield batch
