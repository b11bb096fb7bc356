"""What a handler is given, and how a path finds it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.sandbox import store
from billing.sandbox.api import listing

Data = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request: the ids in its path, its checked parameters, and when it came."""

    ids: list[str]
    params: Data
    now: datetime

    @property
    def id(self) -> str:
        return self.ids[0]


Handler = Callable[[Call], Data]


@dataclass(frozen=True)
class Route:
    """A method and a path such as `/v1/customers/{id}`; `parameters` names stripe-python's class of what it accepts.

    Without one it takes nothing but `expand`.
    """

    method: str
    path: str
    handler: Handler
    parameters: str | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("^" + re.sub(r"\{\w+\}", "([^/]+)", self.path) + "$")


def get(kind: str, param: str = "id") -> Handler:
    """A handler that returns one object."""
    return lambda call: store.get(kind, call.id, param=param)


def list_of(kind: str, url: str, *, names: dict[str, str] | None = None) -> Handler:
    """A handler that lists one kind, newest first."""
    return lambda call: listing.list_rows(store.rows(kind), call.params, url=url, names=names)


def list_of_none(url: str) -> Handler:
    """A handler for what the sandbox never has any of."""
    return lambda call: {"object": "list", "data": [], "has_more": False, "url": url}
