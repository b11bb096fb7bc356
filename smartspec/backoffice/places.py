"""The places of the back-office, and how apps fill them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from django.utils.module_loading import autodiscover_modules

from smartspec.backoffice.words import Action, Alert, Chart, Fact, Figure, Hit, Line, Link, Panel, Task
from smartspec.users.models import User

Contribution = TypeVar("Contribution")
T = TypeVar("T")


@dataclass(frozen=True)
class Filled(Generic[Contribution]):
    """One contribution: a function, or an action."""

    name: str
    right: str
    order: int
    call: Contribution
    is_detail: bool = False


class Place(Generic[Contribution]):
    """Where apps put something, in ascending `order`. Names are unique in a place: the function's, if none is given."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._filled: dict[str, Filled[Contribution]] = {}

    def __call__(
        self, *, right: str = "", order: int = 50, name: str = "", is_detail: bool = False
    ) -> Callable[[Contribution], Contribution]:
        """Put the decorated function here. `right` is the permission that it takes to see it; empty: the page's. What
        is a detail is shown to who asks for it.

        :raises ValueError: the name is taken.
        """

        def fill(contribution: Contribution) -> Contribution:
            own_name: str = contribution.__name__  # type: ignore[attr-defined]
            self.add(contribution, right=right, order=order, name=name or own_name, is_detail=is_detail)
            return contribution

        return fill

    def add(
        self, contribution: Contribution, *, name: str, right: str = "", order: int = 50, is_detail: bool = False
    ) -> None:
        """Put a contribution here.

        :raises ValueError: the name is taken.
        """
        if name in self._filled:
            raise ValueError(f"{self.title}: there is a {name} already.")
        self._filled[name] = Filled(name, right, order, contribution, is_detail)

    def __iter__(self) -> Iterator[Filled[Contribution]]:
        """Yield everything here, in order."""
        discover()
        yield from sorted(self._filled.values(), key=lambda filled: filled.order)

    def seen_by(self, viewer: User) -> Iterator[Filled[Contribution]]:
        """Yield what this member of staff may see, in order."""
        return (filled for filled in self if not filled.right or viewer.has_perm(filled.right))

    def find(self, name: str) -> Filled[Contribution] | None:
        """Return the contribution of a name, or None."""
        discover()
        return self._filled.get(name)


# Home
figures = Place[Callable[[datetime], Iterable[Figure]]]("figures")
charts = Place[Callable[[datetime], Iterable[Chart]]]("charts")
tasks = Place[Callable[[datetime], Iterable[Task]]]("tasks that need a person")
# Finding: a term (stripped, not empty) to the people it means, by an index; few, best first.
searches = Place[Callable[[str], Iterable[Hit]]]("searches")
# A person's page
facts = Place[Callable[[User, datetime], Iterable[Fact]]]("facts")
alerts = Place[Callable[[User, datetime], Iterable[Alert]]]("alerts")  # what is the matter, the worst first
panels = Place[Callable[[User, datetime], Iterable[Panel]]]("panels")
# "What did they have then?": (user, moment) to a fact.
balances = Place[Callable[[User, datetime], Fact]]("balances at a moment")
links = Place[Callable[[User], Iterable[Link]]]("links")
# The timeline's name of a contribution is its filter. It returns the newest lines at or before a moment, newest first,
# at most so many: (user, until, limit).
timeline = Place[Callable[[User, datetime, int], Iterable[Line]]]("timeline")
actions = Place[Action]("actions")
# A person's data. An exporter's name is its key in the document; what it returns is anything that JSON can say, or an
# iterator of such rows. An eraser may run any number of times, and takes away or makes anonymous what its app holds of
# a person. One that fails because of others (a subscription that Stripe must cancel) keeps none from its turn but the
# last, which takes the person's row.
exporters = Place[Callable[[User, datetime], Any]]("exporters")
erasers = Place[Callable[[User, datetime], None]]("erasers")


@cache
def discover() -> None:
    """This will let every app fill the places, once."""
    from smartspec.backoffice import queue  # noqa: F401 - the ground's own; it fills the places above

    autodiscover_modules("backoffice", "personal_data")


def collect(found: Iterable[Iterable[T]]) -> list[T]:
    """Return what several contributions gave, as one list."""
    return [item for items in found for item in items]
