"""What makes a job dearer or cheaper than its rate says, and which jobs an operation can tell apart."""

from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import Any

from credits.models import Rate
from smartspec.errors import DomainError

UNITS = {
    Rate.Operation.IMAGE_GENERATION: Rate.Unit.IMAGE,
    Rate.Operation.VIDEO_GENERATION: Rate.Unit.VIDEO,
    Rate.Operation.AUDIO_GENERATION: Rate.Unit.STARTED_30_SECONDS,
    Rate.Operation.STORAGE: Rate.Unit.GB_MONTH,
}
# Which property of a job a modifier of an operation may look at, and how it compares.
MODIFIER_FIELDS = {
    Rate.Operation.IMAGE_GENERATION: ("quality", "equals"),
    Rate.Operation.VIDEO_GENERATION: ("duration_seconds", "above"),
    Rate.Operation.AUDIO_GENERATION: ("duration_seconds", "above"),
}
MAXIMUM_PERCENT = 10_000


class InvalidModifiers(DomainError):
    """No price can be computed from these modifiers; the detail says what is wrong with which."""

    code, status, title = "invalid_modifiers", 400, "The modifiers do not fit the operation"


def check_modifiers(modifiers: Any, operation: Rate.Operation) -> None:
    """This will let modifiers pass that a price can be computed from.

    :raises InvalidModifiers: they are of another form, or look at something that jobs of this operation do not have.
    """
    if not isinstance(modifiers, list):
        raise InvalidModifiers("Write a list: [] for none.")
    if modifiers and operation not in MODIFIER_FIELDS:
        raise InvalidModifiers("This operation has no modifiers: write [].")
    discounts: defaultdict[str, Decimal] = defaultdict(Decimal)  # of a job to which all of them apply
    for modifier in modifiers:
        field, comparison = MODIFIER_FIELDS[operation]
        if not isinstance(modifier, dict) or set(modifier) != {"label", "field", comparison, "percent"}:
            raise InvalidModifiers(f"Each modifier has exactly label, field, {comparison} and percent.")
        if modifier["field"] != field:
            raise InvalidModifiers(f"A modifier of this operation looks at {field}.")
        if not isinstance(modifier["label"], str) or not modifier["label"].strip():
            raise InvalidModifiers("A modifier's label is shown to customers and cannot be empty.")
        if comparison == "equals" and not (isinstance(modifier["equals"], str) and modifier["equals"]):
            raise InvalidModifiers("“equals” is a word, such as “hd”.")
        if comparison == "above" and _number(modifier["above"]) < 0:
            raise InvalidModifiers("“above” is a number of seconds, 0 or more.")
        percent = _number(modifier["percent"])
        if percent > MAXIMUM_PERCENT:
            raise InvalidModifiers(f"“percent” is {MAXIMUM_PERCENT:,} at most.")
        discounts[modifier.get("equals", "")] += min(percent, Decimal(0))
    if any(percent <= -100 for percent in discounts.values()):
        raise InvalidModifiers("“percent” must leave a price above zero, also where several apply to one job.")


def _number(value: Any) -> Decimal:
    """Return a number out of JSON, exactly as written.

    :raises InvalidModifiers: it is none.
    """
    try:
        exact = None if isinstance(value, bool) or not isinstance(value, int | float) else Decimal(str(value))
    except InvalidOperation:
        exact = None
    if exact is None or not exact.is_finite():
        raise InvalidModifiers(f"{value!r} is no number.")
    return exact
