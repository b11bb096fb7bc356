"""What holds and captures leave behind: bytes, and updates that had to touch an index."""

import time
from pathlib import Path

from credits.bench import database, pgbench
from credits.bench.dataset import Dataset
from credits.bench.plan import Reading

CLIENTS = 4
BATCHES = 8
STATISTICS_SECONDS = 1.5  # sessions report what they did within a second


def measure(program: Path, dataset: Dataset, *, pairs: int) -> dict[str, Reading]:
    """Place and capture so many holds over all accounts, and return what grew and how the updates went.

    A captured hold leaves its older version behind, whose room serves again once it is vacuumed. The server does that
    by itself, but when it likes; here it happens after every eighth. `bytes unvacuumed` is the growth of the first.
    """
    database.execute("VACUUM")
    time.sleep(STATISTICS_SECONDS)
    bytes_before = database.ledger_bytes()
    updates_before = {table: database.updates(table) for table in ("credits_account", "credits_grant")}
    growth = []
    done = 0
    for _ in range(BATCHES):
        done += pgbench.run(
            program,
            "pair",
            first=1,
            last=dataset.accounts,
            clients=CLIENTS,
            seconds=0,
            calls=pairs // BATCHES // CLIENTS,
        ).operations
        growth.append((database.ledger_bytes() - bytes_before) / done)
        database.execute("VACUUM")
    time.sleep(STATISTICS_SECONDS)
    shares = {}
    for table, (all_before, hot_before) in updates_before.items():
        all_after, hot_after = database.updates(table)
        shares[table] = 100 * (hot_after - hot_before) / max(all_after - all_before, 1)
    return {
        "bytes": growth[-1],
        "bytes unvacuumed": growth[0],
        "hot accounts": shares["credits_account"],
        "hot lots": shares["credits_grant"],
    }
