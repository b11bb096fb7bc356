"""Spending: holds and how they end, refunds of captures, and charges."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from credits import catalogue, ids, ledger
from credits.models import Entry, Hold
from credits.prices import Price, feature_of, price_job
from credits.services.checks import (
    AccountFrozen,
    IdempotencyConflict,
    InsufficientCredits,
    UnknownAccount,
    checked_credits,
    checked_key,
    checked_optional_key,
)
from smartspec.errors import DomainError

DEFAULT_TTL_SECONDS = 900
MAXIMUM_TTL_SECONDS = 86_400
PRIORITY_FEATURE = "priority_queue"


class FeatureNotInPlan(DomainError):
    """The account's plan does not allow the operation."""

    code, status, title = "feature_not_in_plan", 403, "Not in your plan"


class UnknownHold(DomainError):
    """There is no such hold."""

    code, status, title = "unknown_hold", 404, "Unknown hold"


class HoldAlreadySettled(DomainError):
    """The hold ended before, in another way."""

    code, status, title = "hold_already_settled", 409, "The hold has ended"


class HoldExpired(DomainError):
    """The hold was left open past its time: its credits are back, and the output must be withheld."""

    code, status, title = "hold_expired", 409, "The hold has expired"


class CaptureAboveHold(DomainError):
    """More was to be captured than is held."""

    code, status, title = "capture_above_hold", 422, "More than is held"


class HoldNotCaptured(DomainError):
    """Only what was captured can be refunded."""

    code, status, title = "hold_not_captured", 409, "The hold was not captured"


class AlreadyRefunded(DomainError):
    """A capture is refunded once."""

    code, status, title = "already_refunded", 409, "Refunded before"


class RefundAboveCapture(DomainError):
    """More was to be refunded than was captured."""

    code, status, title = "refund_above_capture", 422, "More than was captured"


class HoldTooLong(DomainError):
    """A hold lives 24 hours at most, extensions included."""

    code, status, title = "hold_too_long", 422, "Longer than a hold may live"


class InvalidTimeToLive(DomainError):
    """A time to live is a whole number of seconds from 1 to 86,400."""

    code, status, title = "invalid_ttl", 422, "Not a time to live"


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
class CaptureRequest:
    """One capture of a batch; without credits, all that is held."""

    hold_id: str
    credits: Decimal | None = None


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


@dataclass(frozen=True)
class Settled:
    """A hold after a capture, release, extension or refund; `entry` is the line that it wrote, if any."""

    hold: Hold
    entry: Entry | None
    is_replay: bool


@dataclass(frozen=True)
class Charged:
    """What a charge took: all of it, or with `partial` what there was, perhaps nothing."""

    credits: Decimal
    entry: Entry | None
    is_replay: bool


# --- Placing ------------------------------------------------------------------------------------------------------


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
        item.price.credits,
        operation,
        model_id,
        Jsonb(item.price.parameters) if item.price.parameters else None,
        reference_id,
        idempotency_key,
        item.fingerprint,
        item.plans,
        _high_priority_plans(),
        item.expires_at,
        now,
    )
    return _placed(account_id, request, row)


def hold_many(*, account_id: UUID, holds: Sequence[HoldRequest], now: datetime) -> list[PlacedHold | DomainError]:
    """This will place holds of one account in order, each with its own outcome: one round trip, one commit."""
    outcomes: list[PlacedHold | DomainError | None] = []
    items: list[dict[str, Any]] = []
    for request in holds:
        try:
            item = _prepared(request, now)
        except DomainError as refusal:
            outcomes.append(refusal)
            continue
        outcomes.append(None)
        items.append(
            {
                "credits": str(item.price.credits),
                "operation": request.operation,
                "model": request.model_id,
                "parameters": item.price.parameters or None,
                "reference": request.reference_id,
                "key": request.idempotency_key,
                "fingerprint": str(item.fingerprint),
                "plans": item.plans,
                "expires": item.expires_at.isoformat(),
            }
        )
    rows = iter(
        ledger.call_all("credits_place_holds", account_id, Jsonb(items), _high_priority_plans(), now) if items else []
    )
    results: list[PlacedHold | DomainError] = []
    for request, outcome in zip(holds, outcomes, strict=True):
        if outcome is None:
            try:
                outcome = _placed(account_id, request, next(rows))
            except DomainError as refusal:
                outcome = refusal
        results.append(outcome)
    return results


@dataclass(frozen=True)
class _Prepared:
    price: Price
    fingerprint: UUID
    plans: list[str]
    expires_at: datetime


def _prepared(request: HoldRequest, now: datetime) -> _Prepared:
    checked_key(request.idempotency_key)
    return _Prepared(
        price=price_job(
            operation=request.operation,
            now=now,
            model_id=request.model_id,
            quality=request.quality,
            duration_seconds=request.duration_seconds,
            quantity=request.quantity,
        ),
        fingerprint=_fingerprint(request),
        plans=catalogue.get().plans_with(feature_of(request.operation)),
        expires_at=now + _checked_ttl(request.ttl_seconds),
    )


def _placed(account_id: UUID, request: HoldRequest, row: ledger.Row) -> PlacedHold:
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


def _checked_ttl(ttl_seconds: int) -> timedelta:
    if isinstance(ttl_seconds, bool) or not isinstance(ttl_seconds, int) or not 1 <= ttl_seconds <= MAXIMUM_TTL_SECONDS:
        raise InvalidTimeToLive(f"ttl_seconds must be a whole number from 1 to {MAXIMUM_TTL_SECONDS}.")
    return timedelta(seconds=ttl_seconds)


# --- Ending -------------------------------------------------------------------------------------------------------


def capture_hold(
    *, hold_id: str, now: datetime, credits: Decimal | None = None, idempotency_key: str | None = None
) -> Settled:
    """This will turn a hold into spend: all of it, or less, and the rest returns to the lots it came from.

    :raises UnknownHold: there is no such hold.
    :raises HoldExpired: it was left open past its time.
    :raises HoldAlreadySettled: it was released, or captured for another amount.
    :raises CaptureAboveHold: more than is held.
    :raises IdempotencyConflict: the key was used for another capture.
    :raises InvalidCredits: not a positive number with at most 6 decimals.
    """
    account_id, number = _parsed(hold_id)
    row = ledger.call(
        "credits_capture_hold",
        account_id,
        number,
        None if credits is None else checked_credits(credits),
        checked_optional_key(idempotency_key),
        now,
        parts={"hold": Hold, "entry": Entry},
    )
    return _settled(row)


def capture_many(*, account_id: UUID, captures: Sequence[CaptureRequest], now: datetime) -> list[Settled | DomainError]:
    """This will capture holds of one account in order, each with its own outcome: one round trip, one commit."""
    outcomes: list[DomainError | None] = []
    numbers: list[int] = []
    amounts: list[Decimal | None] = []
    for capture in captures:
        try:
            owner, number = _parsed(capture.hold_id)
            if owner != account_id:
                raise UnknownHold("There is no such hold.")
            amount = None if capture.credits is None else checked_credits(capture.credits)
        except DomainError as refusal:
            outcomes.append(refusal)
            continue
        outcomes.append(None)
        numbers.append(number)
        amounts.append(amount)
    rows = iter(
        ledger.call_all(
            "credits_capture_holds",
            account_id,
            numbers,
            amounts,
            now,
            parts={"hold": Hold, "entry": Entry},
            plain=("status",),
        )
        if numbers
        else []
    )
    results: list[Settled | DomainError] = []
    for outcome in outcomes:
        if outcome is not None:
            results.append(outcome)
            continue
        try:
            results.append(_settled(next(rows)))
        except DomainError as refusal:
            results.append(refusal)
    return results


def release_hold(*, hold_id: str, now: datetime, idempotency_key: str | None = None) -> Settled:
    """This will end a hold with nothing spent.

    :raises UnknownHold: there is no such hold.
    :raises HoldExpired: it was left open past its time.
    :raises HoldAlreadySettled: it was captured.
    :raises IdempotencyConflict: the key was used for another release.
    """
    account_id, number = _parsed(hold_id)
    key = checked_optional_key(idempotency_key)
    return _settled(ledger.call("credits_release_hold", account_id, number, key, now, parts={"hold": Hold}))


def extend_hold(*, hold_id: str, ttl_seconds: int, now: datetime, idempotency_key: str | None = None) -> Settled:
    """This will let an open hold live until `ttl_seconds` from now, where that is later than it would.

    :raises UnknownHold: there is no such hold.
    :raises HoldExpired: it was left open past its time.
    :raises HoldAlreadySettled: it has ended.
    :raises HoldTooLong: it would live more than 24 hours in all.
    :raises InvalidTimeToLive: not 1 to 86,400 seconds.
    :raises IdempotencyConflict: the key was used for another extension.
    """
    account_id, number = _parsed(hold_id)
    longest = timedelta(seconds=MAXIMUM_TTL_SECONDS)
    row = ledger.call(
        "credits_extend_hold",
        account_id,
        number,
        _checked_ttl(ttl_seconds),
        longest,
        checked_optional_key(idempotency_key),
        now,
        parts={"hold": Hold},
    )
    return _settled(row)


def refund_capture(
    *, hold_id: str, reason: str, now: datetime, credits: Decimal | None = None, idempotency_key: str | None = None
) -> Settled:
    """This will give back what a capture spent, all or less, once, because the output turned out worthless.

    :raises UnknownHold: there is no such hold.
    :raises HoldNotCaptured: nothing of it was spent.
    :raises AlreadyRefunded: it was refunded before, by another amount.
    :raises RefundAboveCapture: more than was captured.
    :raises IdempotencyConflict: the key was used for another refund.
    :raises InvalidCredits: not a positive number with at most 6 decimals.
    """
    account_id, number = _parsed(hold_id)
    row = ledger.call(
        "credits_refund_capture",
        account_id,
        number,
        None if credits is None else checked_credits(credits),
        reason,
        checked_optional_key(idempotency_key),
        now,
        parts={"hold": Hold, "entry": Entry},
    )
    return _settled(row)


def _parsed(hold_id: str) -> ids.Numbered:
    parsed = ids.parse_hold_id(hold_id)
    if parsed is None:
        raise UnknownHold("There is no such hold.")
    return parsed


def _settled(row: ledger.Row) -> Settled:
    hold: Hold = row["hold"]
    match row["status"]:
        case "conflict":
            raise IdempotencyConflict("This key was used for something else.")
        case "unknown":
            raise UnknownHold("There is no such hold.")
    match row["status"]:
        case "expired":
            raise HoldExpired(
                "The hold has expired and its credits are back. Withhold the output.", hold_id=hold.public_id
            )
        case "settled":
            raise HoldAlreadySettled(
                f"The hold was {hold.status} before.", hold_id=hold.public_id, hold_status=hold.status
            )
        case "above_hold":
            raise CaptureAboveHold("More than is held cannot be captured.", held=hold.credits)
        case "too_long":
            latest = hold.created_at + timedelta(seconds=MAXIMUM_TTL_SECONDS)
            raise HoldTooLong("A hold lives 24 hours at most, extensions included.", latest_expires_at=latest)
        case "not_captured":
            raise HoldNotCaptured(f"The hold is {hold.status}: nothing of it was spent.", hold_status=hold.status)
        case "refunded":
            raise AlreadyRefunded("A capture is refunded once, and this one was.", refunded=hold.refunded)
        case "above_captured":
            raise RefundAboveCapture("More than was captured cannot be refunded.", captured=hold.captured)
    return Settled(hold, row.get("entry"), is_replay=row["status"] == "replay")


# --- Charging -----------------------------------------------------------------------------------------------------


def charge(
    *,
    account_id: UUID,
    operation: str,
    credits: Decimal,
    idempotency_key: str,
    now: datetime,
    partial: bool = False,
    model_id: str = "",
    description: str = "",
    reference_type: str = "",
    reference_id: str = "",
) -> Charged:
    """This will spend credits in one step: whole, or with `partial` what there is. A frozen account pays too.

    :raises InsufficientCredits: less is available, and the charge is not partial.
    :raises IdempotencyConflict: the key was used for another charge.
    :raises InvalidCredits: not a positive number with at most 6 decimals.
    :raises UnknownAccount: there is no such user.
    """
    row = ledger.call_all(
        "credits_charge",
        account_id,
        checked_credits(credits),
        partial,
        operation,
        model_id,
        description or operation.replace("_", " ").capitalize(),
        reference_type or operation,
        reference_id,
        checked_key(idempotency_key),
        now,
        parts={"entry": Entry},
        plain=("status", "available"),
    )[0]
    match row["status"]:
        case "no_account":
            raise UnknownAccount(account_id)
        case "conflict":
            raise IdempotencyConflict("This key was used for another charge.")
        case "insufficient":
            raise InsufficientCredits(required=credits, available=row["available"])
    entry: Entry | None = row["entry"]
    return Charged(Decimal(0) if entry is None else -entry.delta_credits, entry, is_replay=row["status"] == "replay")
