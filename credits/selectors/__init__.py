"""Reads of the ledger, the plans and the price list. They never write, not even what is due."""

from credits.selectors.accounts import (
    RENEWAL_GRACE,
    Balance,
    DueAccount,
    ExpiringCredits,
    PlanState,
    allowance_given,
    balance_at,
    find_open_account,
    get_balance,
    get_plan_state,
    is_frozen,
    list_accounts_with_due_allowance,
    list_due,
)
from credits.selectors.catalogue import Quote, get_plan, list_plans, list_rates, quote
from credits.selectors.history import (
    TransactionFilter,
    TransactionPage,
    TypeSummary,
    get_entry,
    iterate_transactions,
    list_transactions,
    summarise_transactions,
)
from credits.selectors.holds import get_hold, list_holds
from credits.selectors.usage import ModelUsage, UsageOfDay, UsageSummary, usage_by_day, usage_by_model, usage_summary
from credits.selectors.verification import Fault, verify_account, verify_ledger

__all__ = [
    "RENEWAL_GRACE",
    "Balance",
    "DueAccount",
    "ExpiringCredits",
    "Fault",
    "ModelUsage",
    "PlanState",
    "Quote",
    "TransactionFilter",
    "TransactionPage",
    "TypeSummary",
    "UsageOfDay",
    "UsageSummary",
    "allowance_given",
    "balance_at",
    "find_open_account",
    "get_balance",
    "get_entry",
    "get_hold",
    "get_plan",
    "get_plan_state",
    "is_frozen",
    "iterate_transactions",
    "list_accounts_with_due_allowance",
    "list_due",
    "list_holds",
    "list_plans",
    "list_rates",
    "list_transactions",
    "quote",
    "summarise_transactions",
    "usage_by_day",
    "usage_by_model",
    "usage_summary",
    "verify_account",
    "verify_ledger",
]
