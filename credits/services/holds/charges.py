"""Charges: hold and capture in one step."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from credits import ledger
from credits.models import Entry
from credits.services.checks import (
    IdempotencyConflict,
    InsufficientCredits,
    UnknownAccount,
    checked_credits,
    checked_key,
)


@dataclass(frozen=True)
class Charged:
    """What a charge took: all of it, or with `partial` what there was, perhaps nothing."""

    credits: Decimal
    entry: Entry | None
    is_replay: bool


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
    row = ledger.call(
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
    )
    match row["status"]:
        case "ok" | "replay" | "nothing":
            pass
        case "no_account":
            raise UnknownAccount(account_id)
        case "conflict":
            raise IdempotencyConflict("This key was used for another charge.")
        case "insufficient":
            raise InsufficientCredits(required=credits, available=row["available"])
        case status:
            raise AssertionError(f"charge answered {status}")
    entry: Entry | None = row["entry"]
    return Charged(Decimal(0) if entry is None else -entry.delta_credits, entry, is_replay=row["status"] == "replay")
