"""What a job costs: a rate, applied to what was asked for. Nothing here touches the database or the account."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from credits import catalogue
from credits.models import Rate
from smartspec.errors import DomainError

SMALLEST = Decimal("0.000001")
STANDARD_QUALITY = "standard"
MAXIMUM_QUANTITY = 1000
MAXIMUM_DURATION_SECONDS = 86_400
SECONDS_PER_AUDIO_UNIT = 30

_UNIT_LABELS = {
    Rate.Unit.IMAGE: ("image", "images"),
    Rate.Unit.VIDEO: ("video", "videos"),
    Rate.Unit.STARTED_30_SECONDS: ("started 30 seconds", "times 30 seconds"),
}


class UnknownOperation(DomainError):
    """The price list has no such operation."""

    code, status, title = "unknown_operation", 400, "Unknown operation"


class OperationNotHeld(DomainError):
    """The operation is charged by the system and never held or quoted."""

    code, status, title = "operation_not_held", 422, "This operation is charged by the system"


class InvalidJob(DomainError):
    """A property of the job does not fit its operation; `attr` names it."""

    code, status, title = "invalid_job", 400, "The job does not fit its operation"


@dataclass(frozen=True)
class PriceLine:
    """One line of a breakdown; the lines add up to the price."""

    label: str
    credits: Decimal


@dataclass(frozen=True)
class Price:
    """What a job costs, and why."""

    operation: str
    model_id: str
    parameters: dict[str, Any]
    credits: Decimal
    breakdown: tuple[PriceLine, ...]


def price_job(
    *,
    operation: str,
    now: datetime,
    model_id: str = "",
    quality: str | None = None,
    duration_seconds: Decimal | int | float | None = None,
    quantity: int = 1,
) -> Price:
    """This will price a job by the rate in effect.

    :raises UnknownOperation: the price list has no such operation.
    :raises OperationNotHeld: storage, which the system charges.
    :raises InvalidJob: a property is missing, out of range or not this operation's.
    """
    if operation == Rate.Operation.STORAGE:
        raise OperationNotHeld("Storage is charged by the system. It cannot be held or quoted.")
    rate = catalogue.get().rate(operation, model_id, now)
    if rate is None:
        raise UnknownOperation(f"There is no operation “{operation[:60]}” on the price list.", operation=operation[:60])
    return price_by_rate(
        rate=rate, model_id=model_id, quality=quality, duration_seconds=duration_seconds, quantity=quantity
    )


def price_by_rate(
    *,
    rate: Rate,
    model_id: str = "",
    quality: str | None = None,
    duration_seconds: Decimal | int | float | None = None,
    quantity: int = 1,
) -> Price:
    """This will price a job by a rate.

    :raises InvalidJob: a property is missing, out of range or not this operation's.
    """
    duration = _checked_duration(rate, duration_seconds)
    _check_quality(rate, quality)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAXIMUM_QUANTITY:
        raise InvalidJob(f"quantity must be a whole number from 1 to {MAXIMUM_QUANTITY}.", attr="quantity")

    units = quantity
    if rate.unit == Rate.Unit.STARTED_30_SECONDS:
        units = math.ceil((duration or 0) / SECONDS_PER_AUDIO_UNIT) * quantity
    base = rate.base_credits * units
    lines = [PriceLine(f"{units} {_UNIT_LABELS[Rate.Unit(rate.unit)][units != 1]} at {plain(rate.base_credits)}", base)]
    given = {"quality": quality, "duration_seconds": duration}
    for modifier in rate.modifiers:
        if _applies(modifier, given):
            percent = Decimal(str(modifier["percent"]))
            lines.append(PriceLine(f"{modifier['label']} ({percent:+f} %)", base * percent / 100))
    exact = sum((line.credits for line in lines), Decimal(0))
    total = exact.quantize(SMALLEST, ROUND_CEILING)  # once per job, never per line
    if total != exact:
        lines[0] = PriceLine(lines[0].label, lines[0].credits + total - exact)

    parameters: dict[str, Any] = {
        "quality": quality,
        "duration_seconds": None if duration is None else plain(duration),
        "quantity": quantity if quantity != 1 else None,
    }
    return Price(rate.operation, model_id, {k: v for k, v in parameters.items() if v is not None}, total, tuple(lines))


def feature_of(operation: str) -> str | None:
    """Return the plan feature that an operation needs, or None."""
    return None if operation == Rate.Operation.STORAGE else operation


def plain(credits: Decimal) -> str:
    """Write a number of credits for a person: 1, 0.5, 1000."""
    return f"{credits.normalize():f}"


def _applies(modifier: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    value = given.get(modifier["field"])
    if value is None:
        return False
    if "equals" in modifier:
        return bool(value == modifier["equals"])
    return bool(value > Decimal(str(modifier["above"])))


def _check_quality(rate: Rate, quality: str | None) -> None:
    if quality is None:
        return
    if rate.unit != Rate.Unit.IMAGE:
        raise InvalidJob("quality belongs to images alone.", attr="quality")
    known = [STANDARD_QUALITY] + [m["equals"] for m in rate.modifiers if m["field"] == "quality" and "equals" in m]
    if quality not in known:
        raise InvalidJob(f"quality must be one of: {', '.join(known)}.", attr="quality")


def _checked_duration(rate: Rate, duration_seconds: Decimal | int | float | None) -> Decimal | None:
    if duration_seconds is None:
        if rate.unit == Rate.Unit.STARTED_30_SECONDS:
            raise InvalidJob(
                "duration_seconds is needed: audio is priced per started 30 seconds.", attr="duration_seconds"
            )
        return None
    if rate.unit == Rate.Unit.IMAGE:
        raise InvalidJob("An image has no duration_seconds.", attr="duration_seconds")
    duration = Decimal(str(duration_seconds))
    if not duration.is_finite() or not 0 < duration <= MAXIMUM_DURATION_SECONDS:
        raise InvalidJob(
            f"duration_seconds must be above 0 and at most {MAXIMUM_DURATION_SECONDS}.", attr="duration_seconds"
        )
    return duration
