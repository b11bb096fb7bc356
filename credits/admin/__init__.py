"""The ledger to look at, and the plans and rates to edit: one file per noun."""

from credits.admin import ledger, plans, rates

__all__ = ["ledger", "plans", "rates"]
