"""How a hold goes on and ends: captured, released, extended, its capture refunded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from credits import ids, ledger
from credits.models import Entry, Hold
from credits.services.checks import IdempotencyConflict, checked_credits, checked_optional_key
from credits.services.holds.lifetime import MAXIMUM_TTL_SECONDS, checked_ttl
from credits.services.holds.refusals import (
    AlreadyRefunded,
    CaptureAboveHold,
    HoldAlreadySettled,
    HoldExpired,
    HoldNotCaptured,
    HoldTooLong,
    RefundAboveCapture,
    UnknownHold,
)
from smartspec.errors import DomainError


@dataclass(frozen=True)
class CaptureRequest:
    """One capture of a batch; without credits, all that is held."""

    hold_id: str
    credits: Decimal | None = None


@dataclass(frozen=True)
class Settled:
    """A hold after a capture, release, extension or refund; `entry` is the line that it wrote, if any."""

    hold: Hold
    entry: Entry | None
    is_replay: bool


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


def release_hold(*, hold_id: str, now: datetime, reason: str = "", idempotency_key: str | None = None) -> Settled:
    """This will end a hold with nothing spent.

    :raises UnknownHold: there is no such hold.
    :raises HoldExpired: it was left open past its time.
    :raises HoldAlreadySettled: it was captured.
    :raises IdempotencyConflict: the key was used for another release.
    """
    account_id, number = _parsed(hold_id)
    key = checked_optional_key(idempotency_key)
    return _settled(ledger.call("credits_release_hold", account_id, number, key, now, reason, parts={"hold": Hold}))


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
        checked_ttl(ttl_seconds),
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
        case "ok" | "replay":
            return Settled(hold, row.get("entry"), is_replay=row["status"] == "replay")
        case "conflict":
            raise IdempotencyConflict("This key was used for something else.")
        case "unknown":
            raise UnknownHold("There is no such hold.")
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
    raise AssertionError(f"what settles a hold answered {row['status']}")
