"""Charges: hold and capture in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

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


@dataclass(frozen=True)
class ChargeOrder:
    """One of many charges: whom, how much, by which key, and what the entry says."""

    account_id: UUID
    credits: Decimal
    idempotency_key: str
    description: str = ""
    reference_id: str = ""


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
    order = ChargeOrder(account_id, credits, idempotency_key, description, reference_id)
    (charged,) = _charge([order], operation, model_id, reference_type, partial=partial, now=now)
    return charged


def charge_many(
    *, operation: str, orders: Sequence[ChargeOrder], now: datetime, partial: bool = False, reference_type: str = ""
) -> list[Charged]:
    """This will charge many accounts, each as `charge` does: all of them, or none. They follow each other without
    waiting for answers. Accounts come in ascending order, so that no two callers wait for each other.

    :raises ValueError: the accounts are not in ascending order.
    :raises InsufficientCredits, IdempotencyConflict, InvalidCredits, UnknownAccount: as `charge`; nobody was charged.
    """
    ids = [order.account_id for order in orders]
    if ids != sorted(ids):
        raise ValueError("Accounts are charged in ascending order.")
    with transaction.atomic():
        return _charge(orders, operation, "", reference_type, partial=partial, now=now)


def _charge(
    orders: Sequence[ChargeOrder], operation: str, model_id: str, reference_type: str, *, partial: bool, now: datetime
) -> list[Charged]:
    calls = [
        (
            order.account_id,
            checked_credits(order.credits),
            partial,
            operation,
            model_id,
            order.description or operation.replace("_", " ").capitalize(),
            reference_type or operation,
            order.reference_id,
            checked_key(order.idempotency_key),
            now,
        )
        for order in orders
    ]
    parts, plain = {"entry": Entry}, ("status", "available")
    if len(calls) == 1:
        rows = [ledger.call("credits_charge", *calls[0], parts=parts, plain=plain)]
    else:
        rows = ledger.call_each("credits_charge", calls, parts=parts, plain=plain)
    return [_charged(order, row) for order, row in zip(orders, rows, strict=True)]


def _charged(order: ChargeOrder, row: ledger.Row) -> Charged:
    match row["status"]:
        case "no_account":
            raise UnknownAccount(order.account_id)
        case "conflict":
            raise IdempotencyConflict("This key was used for another charge.")
        case "insufficient":
            raise InsufficientCredits(required=order.credits, available=row["available"])
    entry: Entry | None = row["entry"]
    return Charged(Decimal(0) if entry is None else -entry.delta_credits, entry, is_replay=row["status"] == "replay")
