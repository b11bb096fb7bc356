"""What the ledger's tests share: an account with a few credits, and the books verified after every test."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from credits import catalogue, selectors, services
from credits.services import Granted, PlacedHold

Give = Callable[..., Granted]
Place = Callable[..., PlacedHold]


def balance(account_id: UUID, at: datetime) -> tuple[Decimal, Decimal, Decimal]:
    """Return what is available, held and used."""
    found = selectors.get_balance(account_id=account_id, now=at)
    return found.available, found.held, found.used


@pytest.fixture(autouse=True)
def fresh_catalogue() -> Iterator[None]:
    """A test that changes plans or rates must not be seen by the next."""
    catalogue.forget()
    yield
    catalogue.forget()


@pytest.fixture
def account_id(request: pytest.FixtureRequest, alice: Any) -> Iterator[UUID]:
    """The account of Alice: nothing has touched it yet. After the test, whatever it did, its books add up.

    A test that breaks the books on purpose is marked `broken_books`.
    """
    yield alice.pk
    if request.node.get_closest_marker("broken_books") is None and not connection.needs_rollback:
        assert selectors.verify_account(account_id=alice.pk) == []


@pytest.fixture
def give(account_id: UUID, now: datetime) -> Give:
    """Return a function that gives Alice bonus credits."""

    def run(credits: str | int, **changes: Any) -> Granted:
        arguments: dict[str, Any] = {
            "account_id": account_id,
            "kind": "bonus",
            "credits": Decimal(credits),
            "source": f"test:{uuid4()}",
            "now": now,
        }
        return services.grant(**(arguments | changes))

    return run


@pytest.fixture
def place(account_id: UUID, now: datetime) -> Place:
    """Return a function that holds credits of Alice for images, one credit each."""

    def run(quantity: int = 1, **changes: Any) -> PlacedHold:
        arguments: dict[str, Any] = {
            "account_id": account_id,
            "operation": "image_generation",
            "quantity": quantity,
            "reference_id": "job",
            "idempotency_key": str(uuid4()),
            "now": now,
        }
        return services.place_hold(**(arguments | changes))

    return run


@pytest.fixture
def available(account_id: UUID, now: datetime) -> Callable[..., Decimal]:
    """Return a function that tells what Alice has, now or at another time."""

    def read(at: datetime = now) -> Decimal:
        return selectors.get_balance(account_id=account_id, now=at).available

    return read
