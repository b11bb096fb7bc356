"""The daily proof that the books add up."""

from datetime import datetime

from credits import selectors
from smartspec.watching import services as watching_services


def prove_ledger(*, now: datetime) -> int:
    """This will recompute every account, keep what was found for operators to see, and return how many faults."""
    accounts, faults, first = 0, 0, ""
    for size, found in selectors.verify_ledger():
        accounts += size
        faults += len(found)
        first = first or (str(found[0]) if found else "")
    detail = f"{accounts} accounts add up" if not faults else f"{faults} faults in {accounts} accounts, such as {first}"
    watching_services.record_proof(name="ledger_verified", holds=not faults, detail=detail, now=now)
    return faults
