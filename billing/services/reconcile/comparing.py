"""What every comparison is made of: the window, what was found in it, and how far a run has come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing import gateway
from billing.models import Customer
from smartspec.errors import DomainError


@dataclass(frozen=True)
class Window:
    """What is compared: Stripe's objects made from `since` on and before `until`, of one user or of all."""

    since: datetime | None
    until: datetime
    user_id: UUID | None = None

    @property
    def customer_ids(self) -> list[str]:
        """Who the one user is at Stripe, and was; none without one (an earlier step may find it)."""
        customer = Customer.objects.filter(user_id=self.user_id).first() if self.user_id else None
        return customer.all_ids if customer else []

    def created(self) -> dict[str, Any]:
        bounds = {"lt": int(self.until.timestamp()) + 1}
        return {"created": bounds | ({"gte": int(self.since.timestamp())} if self.since else {})}

    def list_all(self, list_found: Callable[[dict[str, Any]], Iterator[Any]], **values: str) -> Iterator[Any]:
        """Yield what Stripe lists for the window: by everybody's customers, or by those of the one user."""
        asked = self.created() | values
        if self.user_id is None:
            yield from list_found(asked)
        for customer_id in self.customer_ids:
            yield from list_found({**asked, "customer": customer_id})

    def older(self, queryset: Any) -> Any:
        """Narrow rows of ours to the user, and to those that Stripe did not list because they are older."""
        if self.user_id:
            queryset = queryset.filter(user_id=self.user_id)
        return queryset.filter(created_at__lt=self.since) if self.since else queryset.none()


@dataclass(frozen=True)
class Difference:
    """Where our books and Stripe's do not agree."""

    kind: str
    object_id: str
    user_id: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """What differs about one object, what would put it right, and how to look again."""

    difference: Difference
    look: Callable[[], Difference | None]
    repair: Callable[[], object] | None = None


@dataclass
class Progress:
    """How far a run has come."""

    step: str = ""
    checked: int = 0
    repaired: int = 0
    remaining: int = 0


Checks = Iterator[Finding | None]


def compare(
    object_id: object, look: Callable[[], Difference | None], repair: Callable[[], object] | None = None
) -> Finding | None:
    """Look at one object. One that cannot be read (a price agreed in the dashboard that stands for no plan) is a
    difference of its own: it keeps no other from being compared.

    :raises gateway.StripeUnavailable: Stripe cannot be reached; then nothing can be compared.
    """

    def look_at_it() -> Difference | None:
        try:
            return look()
        except (gateway.StripeUnavailable, gateway.PaymentsNotConfigured):
            raise
        except DomainError as error:
            return Difference("could_not_be_compared", str(object_id), "", error.detail)

    difference = look_at_it()
    return None if difference is None else Finding(difference, look_at_it, repair)


def first_then(fetched: dict[str, Any] | None, retrieve: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return a function that hands out what was listed, and from then on what Stripe says now."""
    listed = [fetched] if fetched is not None else []
    return lambda: listed.pop() if listed else retrieve()
