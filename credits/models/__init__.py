"""The ledger's tables, the plans and the price list. Fields and constraints alone: the rules are in `credits/sql/`.

Every table of the ledger begins its key with `account_id`, the user's UUID, and its rows are numbered 1, 2, 3…
inside the account. Only the database functions write them, under the lock of the account's row.
"""

from credits.models.accounts import Account
from credits.models.adjustments import Adjustment
from credits.models.entries import Entry, EntryTotal, EntryType
from credits.models.fields import CreditsField
from credits.models.grants import FreeAllowanceAddress, Grant
from credits.models.holds import Hold
from credits.models.keys import KeyRecord
from credits.models.plans import Plan
from credits.models.rates import Rate
from credits.models.totals import DayTotal
from credits.models.usage import UsageDay

# The tables that nothing but the functions of `credits/sql/` writes.
LEDGER = (Account, Grant, Hold, Entry, EntryTotal, UsageDay, KeyRecord, FreeAllowanceAddress)

__all__ = [
    "LEDGER",
    "Account",
    "Adjustment",
    "CreditsField",
    "DayTotal",
    "Entry",
    "EntryTotal",
    "EntryType",
    "FreeAllowanceAddress",
    "Grant",
    "Hold",
    "KeyRecord",
    "Plan",
    "Rate",
    "UsageDay",
]
