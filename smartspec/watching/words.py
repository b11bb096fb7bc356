"""What contributions are made of, and where they are kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.utils.module_loading import autodiscover_modules


@dataclass(frozen=True)
class Condition:
    """Something that must hold. `name` is stable, `detail` says what is, `remedy` what to do when it does not hold."""

    name: str
    holds: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Gauge:
    """A figure as Prometheus wants it: `samples` has a value for each tuple of label values, ordered as `labels`."""

    name: str
    help: str
    samples: Mapping[tuple[str, ...], float | int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


Look = Callable[[datetime], Condition]
Read = Callable[[datetime], Iterable[Gauge]]

_conditions: dict[str, Look] = {}
_gauges: dict[str, Read] = {}


def condition(look: Look) -> Look:
    """Add a condition; it has the name of the function, which is unique in the product.

    :raises ValueError: the name is taken.
    """
    if look.__name__ in _conditions:
        raise ValueError(f"There is a condition {look.__name__} already.")
    _conditions[look.__name__] = look
    return look


def gauges(read: Read) -> Read:
    """Add figures, by a function whose reads are indexed: it is called whenever somebody looks at `/metrics`."""
    _gauges[f"{read.__module__}.{read.__name__}"] = read
    return read


@cache
def discover() -> None:
    """This will let every app contribute, once."""
    autodiscover_modules("watching")


def all_conditions() -> Mapping[str, Look]:
    """Return every condition by its name."""
    discover()
    return dict(_conditions)


def all_gauges() -> Mapping[str, Read]:
    """Return every reader of figures by its name."""
    discover()
    return dict(_gauges)
