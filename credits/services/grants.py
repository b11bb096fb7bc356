"""Giving credits and taking them back: grants, adjustments by staff, clawbacks."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from credits import ledger
from credits.models import Entry, Grant
from credits.services.checks import (
    MAXIMUM_KEY_LENGTH,
    IdempotencyConflict,
    InsufficientCredits,
    UnknownAccount,
    checked_credits,
    checked_key,
    checked_reason,
)
from smartspec.errors import DomainError

DEFAULT_PRIORITY = 100
MAXIMUM_ADJUSTMENT_KEY_LENGTH = MAXIMUM_KEY_LENGTH - len("adjust:")  # the lot's source names it


class UnknownGrant(DomainError):
    """No such grant was given, so nothing of it can be taken back."""

    code, status, title = "unknown_grant", 404, "Unknown grant"


@dataclass(frozen=True)
class Granted:
    """A lot of credits, given now or (is_replay) before."""

    grant: Grant
    is_replay: bool


@dataclass(frozen=True)
class ClawedBack:
    """What a clawback took: credits in all, of which `debt` was not there. No entry when there was nothing to take."""

    credits: Decimal
    debt: Decimal
    entry: Entry | None
    is_replay: bool


@dataclass(frozen=True)
class Adjusted:
    """A correction by staff, made now or (is_replay) before."""

    entry: Entry
    is_replay: bool


def grant(
    *,
    account_id: UUID,
    kind: str,
    credits: Decimal,
    source: str,
    now: datetime,
    expires_at: datetime | None = None,
    description: str = "",
    reference_type: str = "",
    reference_id: str = "",
    paid_cents: int | None = None,
    currency: str = "",
) -> Granted:
    """This will give a lot of credits, once per account, kind and source. Debt is paid from it first.

    `paid_cents` (the currency's minor unit) is what was paid for a `purchase`; the report says what became of it.

    :raises InvalidCredits: not a positive number with at most 6 decimals.
    :raises IdempotencyConflict: the source gave another number of credits.
    :raises UnknownAccount: there is no such user.
    """
    kind = Grant.Kind(kind).value
    row = ledger.call(
        "credits_grant_credits",
        account_id,
        kind,
        source,
        checked_credits(credits),
        DEFAULT_PRIORITY,
        expires_at,
        now,
        reference_type,
        reference_id,
        description or _DESCRIPTIONS[kind],
        paid_cents,
        currency,
        parts={"lot": Grant},
    )
    if row["status"] == "conflict":
        raise IdempotencyConflict(f"{source} has already given another number of credits.", source=source)
    return granted(account_id, row)


def granted(account_id: UUID, row: ledger.Row) -> Granted:
    """Turn a function's status and lot into what was granted.

    :raises UnknownAccount: there is no such user.
    """
    match row["status"]:
        case "ok" | "replay":
            return Granted(row["lot"], is_replay=row["status"] == "replay")
        case "no_account":
            raise UnknownAccount(account_id)
    raise AssertionError(f"what gives a lot answered {row['status']}")


def adjust(
    *,
    account_id: UUID,
    credits: Decimal,
    reason: str,
    idempotency_key: str,
    now: datetime,
    actor: str = "",
    expires_at: datetime | None = None,
) -> Adjusted:
    """This will add (above zero) or take (below) credits by decision of staff, never more than is available.

    :raises InvalidCredits: zero, not finite or over-precise.
    :raises InvalidReason: more than 500 characters.
    :raises InvalidIdempotencyKey: not 1 to 248 characters.
    :raises InsufficientCredits: less is available than would be taken.
    :raises IdempotencyConflict: the key was used for another adjustment.
    :raises UnknownAccount: there is no such user.
    """
    row = ledger.call(
        "credits_adjust",
        account_id,
        checked_credits(credits, signed=True),
        DEFAULT_PRIORITY,
        expires_at,
        checked_reason(reason),
        "staff" if actor else "",
        actor,
        checked_key(idempotency_key, longest=MAXIMUM_ADJUSTMENT_KEY_LENGTH),
        now,
        parts={"entry": Entry},
        plain=("status", "available"),
    )
    match row["status"]:
        case "ok" | "replay":
            return Adjusted(row["entry"], is_replay=row["status"] == "replay")
        case "no_account":
            raise UnknownAccount(account_id)
        case "conflict":
            raise IdempotencyConflict("This key was used for another adjustment.")
        case "insufficient":
            raise InsufficientCredits(required=-credits, available=row["available"])
    raise AssertionError(f"adjust answered {row['status']}")


def claw_back(
    *,
    account_id: UUID,
    kind: str,
    source: str,
    credits: Decimal,
    idempotency_key: str,
    now: datetime,
    description: str = "",
    reference_type: str = "",
    reference_id: str = "",
) -> ClawedBack:
    """This will take back what a grant gave: from its own lots, then from others in burn order; the rest is debt.

    Its own are its lot, and those by which `give_back` returned something of it.

    Never more in all than the grant gave, and nothing that expired unspent: what is beyond that is not taken, and the
    answer's `credits` tells what was.

    :raises UnknownGrant: nothing was given for this kind and source.
    :raises IdempotencyConflict: the key was used for another clawback.
    :raises UnknownAccount: there is no such user.
    """
    row = ledger.call(
        "credits_claw_back",
        account_id,
        kind,
        source,
        checked_credits(credits),
        checked_key(idempotency_key),
        now,
        reference_type,
        reference_id,
        description or "Credits taken back",
        parts={"entry": Entry},
    )
    match row["status"]:
        case "ok" | "replay" | "nothing":
            pass
        case "no_account":
            raise UnknownAccount(account_id)
        case "unknown_grant":
            raise UnknownGrant(f"Nothing was given for {source}.", source=source)
        case "conflict":
            raise IdempotencyConflict("This key was used for another clawback.")
        case status:
            raise AssertionError(f"claw_back answered {status}")
    entry: Entry | None = row["entry"]
    taken = Decimal(0) if entry is None else -entry.delta_credits
    from_lots = sum((entry and entry.lot_credits) or [], Decimal(0))
    return ClawedBack(taken, taken - from_lots, entry, is_replay=row["status"] == "replay")


def give_back(
    *,
    account_id: UUID,
    kind: str,
    source: str,
    credits: Decimal,
    new_source: str,
    now: datetime,
    description: str = "",
    reference_type: str = "",
    reference_id: str = "",
) -> Granted | None:
    """This will undo a clawback of (kind, source), or a part, once per `new_source` (`refund_failed:<refund>`, …).

    The new lot is like the one that was taken from, and its own: it is clawed back and ends as that one is.
    Never more than was taken is given; None when nothing was.

    :raises UnknownGrant: nothing was given for this kind and source.
    :raises UnknownAccount: there is no such user.
    """
    row = ledger.call(
        "credits_give_back",
        account_id,
        kind,
        source,
        checked_credits(credits),
        new_source,
        now,
        reference_type,
        reference_id,
        description or "Credits given back",
        parts={"lot": Grant},
    )
    if row["status"] == "unknown_grant":
        raise UnknownGrant(f"Nothing was given for {source}.", source=source)
    return None if row["status"] == "nothing" else granted(account_id, row)


_DESCRIPTIONS = {
    Grant.Kind.SUBSCRIPTION.value: "Credits of your plan",
    Grant.Kind.PURCHASE.value: "Credits bought",
    Grant.Kind.BONUS.value: "Bonus credits",
    Grant.Kind.REFUND.value: "Credits refunded",
    Grant.Kind.ADJUSTMENT.value: "Adjustment",
}
