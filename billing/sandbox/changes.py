"""Changing objects by what a request says, and saying what was changed."""

from collections.abc import Iterable
from typing import Any

Data = dict[str, Any]


def set_fields(data: Data, params: Data, names: Iterable[str]) -> None:
    """This will copy the named parameters onto the object; an empty string takes a value away, as in Stripe's API."""
    for name in names:
        if name in params:
            data[name] = None if params[name] == "" else params[name]


def set_metadata(data: Data, params: Data) -> None:
    """This will merge metadata: an empty value takes the key away, an empty string takes all away."""
    if "metadata" in params:
        data["metadata"] = merge_metadata(data.get("metadata") or {}, params["metadata"])


def merge_metadata(old: dict[str, str], new: Any) -> dict[str, str]:
    if new == "" or new is None:
        return {}
    merged = old | {key: str(value) for key, value in new.items()}
    return {key: value for key, value in merged.items() if value != ""}


def previous_attributes(before: Data, after: Data) -> Data:
    """This will return what the changed fields were before: `previous_attributes` of an event."""
    previous: Data = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and old.get("object") != "list":
            previous[name] = previous_attributes(old, new)
        else:
            previous[name] = old
    return previous
