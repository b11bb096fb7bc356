"""What the client processes call: the services as the product calls them, and a naive version through the ORM."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from credits import services
from credits.bench.clients import Step
from credits.bench.dataset import account_id
from credits.models import Account, Grant, Hold
from credits.prices import price_job
from smartspec import clock
from smartspec.bench.errors import BenchError

OPERATION = "image_generation"
MODEL = "flux-pro"
LARGEST_QUANTITY = 10
TTL_SECONDS = 86_400  # no hold ends while the bench runs

Pick = Callable[[random.Random], UUID]


def any_of(accounts: int) -> Pick:
    """Return a choice among all accounts, each as likely."""
    return lambda chance: account_id(chance.randint(1, accounts))


def always(account: UUID) -> Pick:
    """Return the choice of one account."""
    return lambda chance: account


def service_hold(pick: Pick) -> Callable[[random.Random], Step]:
    """`place_hold`, as a worker's call reaches it."""

    def make(chance: random.Random) -> Step:
        def step() -> int:
            services.place_hold(account_id=pick(chance), now=clock.now(), **_job(chance))
            return 1

        return step

    return make


def service_pair(pick: Pick) -> Callable[[random.Random], Step]:
    """`place_hold`, and `capture_hold` of all of it."""

    def make(chance: random.Random) -> Step:
        def step() -> int:
            hold = services.place_hold(account_id=pick(chance), now=clock.now(), **_job(chance))
            services.capture_hold(hold_id=hold.id, now=clock.now())
            return 1

        return step

    return make


def service_hold_many(pick: Pick, size: int) -> Callable[[random.Random], Step]:
    """`hold_many` of so many holds; each counts."""

    def make(chance: random.Random) -> Step:
        def step() -> int:
            holds = [services.HoldRequest(**_job(chance)) for _ in range(size)]
            outcomes = services.hold_many(account_id=pick(chance), holds=holds, now=clock.now())
            if not all(isinstance(outcome, services.PlacedHold) for outcome in outcomes):
                raise BenchError(f"hold_many refused: {outcomes}")
            return size

        return step

    return make


def orm_hold(pick: Pick) -> Callable[[random.Random], Step]:
    """The same hold, written the way one would at first: one ORM call after the other in a transaction."""

    def make(chance: random.Random) -> Step:
        def step() -> int:
            place_hold_with_orm(account=pick(chance), now=clock.now(), **_job(chance))
            return 1

        return step

    return make


def place_hold_with_orm(
    *,
    account: UUID,
    now: datetime,
    operation: str,
    model_id: str,
    quantity: int,
    reference_id: str,
    idempotency_key: str,
    ttl_seconds: int,
) -> Hold:
    """Lock the account, look for the key, check, take from the lots in burn order, write the hold."""
    price = price_job(operation=operation, now=now, model_id=model_id, quantity=quantity)
    with transaction.atomic():
        row = Account.objects.select_for_update().get(pk=account)
        earlier = Hold.objects.filter(account_id=account, idempotency_key=idempotency_key).first()
        if earlier is not None:
            return earlier
        if row.frozen_causes or row.available < price.credits:
            raise BenchError("refused")
        receipt: list[tuple[int, Decimal]] = []
        left = price.credits
        for lot in (
            Grant.objects.select_for_update()
            .filter(account_id=account, is_open=True)
            .order_by("priority", "expires_at", "is_paid", "effective_at", "number")
        ):
            if left == 0:
                break
            taken = min(lot.remaining, left)
            lot.remaining -= taken
            lot.is_open = lot.remaining > 0
            lot.save()
            receipt.append((lot.number, taken))
            left -= taken
        expires_at = now + timedelta(seconds=ttl_seconds)
        row.available -= price.credits
        row.held += price.credits
        row.hold_count += 1
        row.next_due_at = min(row.next_due_at, expires_at)
        row.save()
        return Hold.objects.create(
            account_id=account,
            number=row.hold_count,
            operation=operation,
            model_id=model_id,
            credits=price.credits,
            status=Hold.Status.OPEN,
            lot_numbers=[number for number, _ in receipt],
            lot_credits=[taken for _, taken in receipt],
            reference_id=reference_id,
            idempotency_key=idempotency_key,
            fingerprint=uuid4(),
            available_after=row.available,
            created_at=now,
            expires_at=expires_at,
        )


def _job(chance: random.Random) -> dict[str, Any]:
    key = str(UUID(int=chance.getrandbits(128)))
    return {
        "operation": OPERATION,
        "model_id": MODEL,
        "quantity": chance.randint(1, LARGEST_QUANTITY),
        "reference_id": f"job-{key[:8]}",
        "idempotency_key": key,
        "ttl_seconds": TTL_SECONDS,
    }
