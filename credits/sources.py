"""How the economic fact that an allowance comes from is written: `allowance:<plan source>:<period's start>`.

The ledger's own functions build on it too: `credits/sql/set_plan.sql`, `give_allowance.sql`.
"""

from datetime import datetime

FREE = "free"  # the plan source of who pays for no plan
ALLOWANCE = "allowance:"


def allowance(plan_source: str, period_start: datetime) -> str:
    """Return the source of the allowance of one period of a plan."""
    return f"{allowances_of(plan_source)}{period_start:%Y-%m-%dT%H:%M:%SZ}"


def allowances_of(plan_source: str) -> str:
    """Return what the sources of all allowances of a plan begin with."""
    return f"{ALLOWANCE}{plan_source}:"


def period_start_of(allowance: str) -> datetime:
    """Return the start of the period that an allowance is for, from its source."""
    return datetime.fromisoformat(allowance.split(":", 2)[2])
