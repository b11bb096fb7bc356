"""Placing holds: one, or many of one account."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from credits import catalogue, ids, ledger
from credits.models import Hold
from credits.prices import InvalidJob, OperationNotHeld, UnknownOperation, feature_of, price_job
from credits.services.checks import (
    AccountFrozen,
    IdempotencyConflict,
    InsufficientCredits,
    UnknownAccount,
    checked_key,
)
from credits.services.holds.lifetime import DEFAULT_TTL_SECONDS, checked_ttl
from credits.services.holds.refusals import FeatureNotInPlan
from smartspec.errors import DomainError
from smartspec.users import selectors as users_selectors

PRIORITY_FEATURE = "priority_queue"
PLACED = ("status", "number", "credits", "high_priority", "expires_at", "available")


@dataclass(frozen=True)
class HoldRequest:
    """One hold of a batch: what `place_hold` takes beside the account and the time."""

    operation: str
    reference_id: str
    idempotency_key: str
    model_id: str = ""
    quality: str | None = None
    duration_seconds: Decimal | int | float | None = None
    quantity: int = 1
    ttl_seconds: int = DEFAULT_TTL_SECONDS


@dataclass(frozen=True)
class PlacedHold:
    """A hold as it was answered when it was placed. `available` is what was left after it."""

    id: str
    account_id: UUID
    number: int
    credits: Decimal
    high_priority: bool
    expires_at: datetime
    available: Decimal
    is_replay: bool

    @property
    def status(self) -> str:
        return Hold.Status.OPEN.value

    @property
    def priority(self) -> str:
        """`high` where the plan's jobs go first, else `normal`."""
        return "high" if self.high_priority else "normal"


def place_hold(
    *,
    account_id: UUID,
    operation: str,
    reference_id: str,
    idempotency_key: str,
    now: datetime,
    model_id: str = "",
    quality: str | None = None,
    duration_seconds: Decimal | int | float | None = None,
    quantity: int = 1,
    ttl_seconds: int = DEFAULT_TTL_SECONDS,
) -> PlacedHold:
    """This will reserve what a job costs, for `ttl_seconds`. The hold keeps this price whatever changes later.

    :raises UnknownOperation, OperationNotHeld, InvalidJob: the price list refuses the job.
    :raises InvalidTimeToLive: not 1 to 86,400 seconds.
    :raises IdempotencyConflict: the key was used for another job.
    :raises AccountFrozen: no new holds while a dispute is open or staff froze the account.
    :raises FeatureNotInPlan: the plan does not allow the operation.
    :raises InsufficientCredits: less is available than the job costs.
    :raises UnknownAccount: there is no such user.
    """
    request = HoldRequest(
        operation, reference_id, idempotency_key, model_id, quality, duration_seconds, quantity, ttl_seconds
    )
    item = _prepared(request, now)
    row = ledger.call(
        "credits_place_hold",
        account_id,
        item.credits,
        operation,
        model_id,
        Jsonb(item.parameters) if item.parameters else None,
        reference_id,
        idempotency_key,
        item.fingerprint,
        item.plans,
        _high_priority_plans(),
        item.expires_at,
        now,
        plain=PLACED,
    )
    return _placed(account_id, request, item, row)


def hold_many(*, account_id: UUID, holds: Sequence[HoldRequest], now: datetime) -> list[PlacedHold | DomainError]:
    """This will place holds of one account in order, each with its own outcome: one round trip, one commit."""
    outcomes: list[_Prepared | DomainError] = []
    items: list[dict[str, Any]] = []
    for request in holds:
        try:
            item = _prepared(request, now)
        except DomainError as refusal:
            outcomes.append(refusal)
            continue
        outcomes.append(item)
        items.append(
            {
                "credits": None if item.credits is None else str(item.credits),
                "operation": request.operation,
                "model": request.model_id,
                "parameters": item.parameters,
                "reference": request.reference_id,
                "key": request.idempotency_key,
                "fingerprint": str(item.fingerprint),
                "plans": item.plans,
                "expires": item.expires_at.isoformat(),
            }
        )
    rows = iter(
        ledger.call_all("credits_place_holds", account_id, Jsonb(items), _high_priority_plans(), now, plain=PLACED)
        if items
        else []
    )
    results: list[PlacedHold | DomainError] = []
    for request, outcome in zip(holds, outcomes, strict=True):
        if isinstance(outcome, DomainError):
            results.append(outcome)
            continue
        try:
            results.append(_placed(account_id, request, outcome, next(rows)))
        except DomainError as refusal:
            results.append(refusal)
    return results


@dataclass(frozen=True)
class _Prepared:
    """What the ledger is asked for. A job that the price list refuses has no price and is on no plan.

    Such a job is asked for all the same: the key comes first, and the list may have changed since it was held under it.
    """

    fingerprint: UUID
    expires_at: datetime
    credits: Decimal | None = None
    parameters: dict[str, Any] | None = None
    plans: list[str] = field(default_factory=list)
    refusal: DomainError | None = None


def _prepared(request: HoldRequest, now: datetime) -> _Prepared:
    checked_key(request.idempotency_key)
    expires_at = now + checked_ttl(request.ttl_seconds)
    try:
        price = price_job(
            operation=request.operation,
            now=now,
            model_id=request.model_id,
            quality=request.quality,
            duration_seconds=request.duration_seconds,
            quantity=request.quantity,
        )
    except (UnknownOperation, OperationNotHeld, InvalidJob) as refusal:
        return _Prepared(_fingerprint(request), expires_at, refusal=refusal)
    plans = catalogue.get().plans_with(feature_of(request.operation))
    return _Prepared(_fingerprint(request), expires_at, price.credits, price.parameters or None, plans)


def _placed(account_id: UUID, request: HoldRequest, item: _Prepared, row: ledger.Row) -> PlacedHold:
    if item.refusal is not None and row["status"] not in ("replay", "conflict"):
        raise item.refusal
    match row["status"]:
        case "ok" | "replay":
            return PlacedHold(
                id=ids.hold_id(account_id, row["number"]),
                account_id=account_id,
                number=row["number"],
                credits=row["credits"],
                high_priority=row["high_priority"],
                expires_at=row["expires_at"],
                available=row["available"],
                is_replay=row["status"] == "replay",
            )
        case "conflict":
            raise IdempotencyConflict("This key was used for another hold.")
        case "frozen":
            if users_selectors.is_erased(user_id=account_id):
                raise UnknownAccount(account_id)
            raise AccountFrozen
        case "not_in_plan":
            name = request.operation.replace("_", " ")
            raise FeatureNotInPlan(f"Your plan does not include {name}.", feature=feature_of(request.operation))
        case "insufficient":
            raise InsufficientCredits(required=row["credits"], available=row["available"])
        case "no_account":
            raise UnknownAccount(account_id)
    raise AssertionError(f"place_hold answered {row['status']}")


def _fingerprint(request: HoldRequest) -> UUID:
    """Digest what was asked for; the price is not part of it, for a replay may come after the price has changed."""
    duration = request.duration_seconds
    content = [
        request.operation,
        request.reference_id,
        request.model_id,
        request.quality,
        None if duration is None else f"{Decimal(str(duration)).normalize():f}",
        request.quantity,
        request.ttl_seconds,
    ]
    return UUID(bytes=hashlib.blake2b(json.dumps(content).encode(), digest_size=16).digest())


def _high_priority_plans() -> list[str]:
    return catalogue.get().plans_with(PRIORITY_FEATURE)
