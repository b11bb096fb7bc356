"""The ledger inside Postgres: one file per function. `README.md` is the map; migrations install the files."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
# In the order of reading: the ground, what operations are made of, the operations, the proof.
FUNCTIONS = (
    "refuse_change",
    "period_start",
    "find_entry",
    "entry_words",
    "write_entry",
    "record_usage",
    "remember",
    "recall",
    "refresh_head",
    "burn",
    "return_credits",
    "end_hold",
    "settle_due",
    "used_since",
    "open_account",
    "lock_account",
    "give",
    "grant_credits",
    "place_hold",
    "place_holds",
    "capture_hold",
    "capture_holds",
    "release_hold",
    "extend_hold",
    "refund_capture",
    "charge",
    "adjust",
    "claw_back",
    "give_back",
    "freeze",
    "thaw",
    "end_lots",
    "set_plan",
    "give_allowance",
    "touch",
    "verify_accounts",
    "sum_lots",
    "count_day",
)
# What a server under a role of its own may call (to read, and the operations); the rest is called by these alone.
OPERATIONS = ("find_entry", "entry_words", *FUNCTIONS[FUNCTIONS.index("grant_credits") :])


def read(name: str) -> str:
    """Return the text of one file of this folder."""
    return (FOLDER / f"{name}.sql").read_text()


def install() -> str:
    """Return the statements that create or replace every function."""
    return "\n".join(read(name) for name in FUNCTIONS)


def digest() -> str:
    """Return the digest of all files: the newest migration that installs one of them names it as `FILES`."""
    return hashlib.sha256("".join(read(file.stem) for file in sorted(FOLDER.glob("*.sql"))).encode()).hexdigest()
