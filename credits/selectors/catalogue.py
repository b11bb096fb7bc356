"""Plans, rates, and what a job would cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from credits import catalogue
from credits.models import Plan, Rate
from credits.prices import Price, PriceLine, price_job
from credits.selectors.accounts import get_balance


@dataclass(frozen=True)
class Quote:
    """What a job would cost now, and whether the account has that and is not frozen."""

    price: Price
    available: Decimal
    is_frozen: bool

    @property
    def credits(self) -> Decimal:
        return self.price.credits

    @property
    def breakdown(self) -> tuple[PriceLine, ...]:
        return self.price.breakdown

    @property
    def affordable(self) -> bool:
        return not self.is_frozen and self.price.credits <= self.available


def list_plans() -> list[Plan]:
    """Return every plan, smallest first."""
    return list(catalogue.get().plans)


def get_plan(slug: str) -> Plan:
    """Return a plan.

    :raises Plan.DoesNotExist: there is none of that slug.
    """
    for plan in catalogue.get().plans:
        if plan.slug == slug:
            return plan
    raise Plan.DoesNotExist(slug)


def list_rates(*, now: datetime) -> list[Rate]:
    """Return the rates in effect or announced, by operation and model, the newest first; not those replaced."""
    current: dict[tuple[str, str], Rate] = {}
    announced = []
    for rate in catalogue.get().rates:
        if rate.effective_from > now:
            announced.append(rate)
        else:
            current.setdefault((rate.operation, rate.model_id), rate)
    order = [operation for operation, _ in Rate.Operation.choices]
    return sorted(
        [*announced, *current.values()],
        key=lambda rate: (order.index(rate.operation), rate.model_id, -rate.effective_from.timestamp()),
    )


def rate_at(*, operation: str, at: datetime, model_id: str = "") -> Rate | None:
    """Return the rate of an operation in effect at a moment: the model's own, else the one for every model."""
    return catalogue.get().rate(operation, model_id, at)


def quote(
    *,
    account_id: UUID,
    operation: str,
    now: datetime,
    model_id: str = "",
    quality: str | None = None,
    duration_seconds: Decimal | int | float | None = None,
    quantity: int = 1,
) -> Quote:
    """Return what a job would cost now.

    :raises UnknownOperation, OperationNotHeld, InvalidJob: the price list refuses the job (see `credits.prices`).
    """
    price = price_job(
        operation=operation,
        now=now,
        model_id=model_id,
        quality=quality,
        duration_seconds=duration_seconds,
        quantity=quantity,
    )
    balance = get_balance(account_id=account_id, now=now)
    return Quote(price, balance.available, balance.is_frozen)
