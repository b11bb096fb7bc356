"""The plans and rates as the hot paths read them: a copy in this process, a few seconds old at most."""

import time
from dataclasses import dataclass
from datetime import datetime

from credits.models import Plan, Rate

MAXIMUM_AGE_SECONDS = 5.0


@dataclass(frozen=True)
class Catalogue:
    """Every plan, and every rate, the newest first."""

    plans: tuple[Plan, ...]
    rates: tuple[Rate, ...]

    def plans_with(self, feature: str | None) -> list[str]:
        """Return the slugs of the plans that allow a feature; every plan when there is nothing to allow."""
        return [plan.slug for plan in self.plans if feature is None or feature in plan.features]

    def rate(self, operation: str, model_id: str, now: datetime) -> Rate | None:
        """Return the rate in effect: the model's own, else the one for every model."""
        in_effect = [rate for rate in self.rates if rate.operation == operation and rate.effective_from <= now]
        own = [rate for rate in in_effect if rate.model_id == model_id]
        return next(iter(own or [rate for rate in in_effect if rate.model_id == ""]), None)


# The age is of this copy, not of anything in the ledger, so it is measured by the process's own monotonic clock.
_copy: tuple[float, Catalogue] | None = None


def get() -> Catalogue:
    """Return the plans and rates, read from the database when the copy is too old."""
    global _copy
    if _copy is None or time.monotonic() - _copy[0] > MAXIMUM_AGE_SECONDS:
        plans = tuple(Plan.objects.order_by("position", "slug"))
        rates = tuple(Rate.objects.order_by("operation", "-effective_from", "-pk"))
        _copy = (time.monotonic(), Catalogue(plans, rates))
    return _copy[1]


def forget() -> None:
    """Read the plans and rates anew on next use."""
    global _copy
    _copy = None
