"""Public ids of holds and entries: opaque to clients; to us, an account and a number, so no look-up crosses accounts.

`hold_` or `txn_`, the account's UUID as 22 characters of base 62, and the number in decimal digits at the end: so the
start of an id names ranges of numbers, and a search by the start of an id needs no index of its own.
"""

from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ACCOUNT_LENGTH = 22  # 62^22 > 2^128
_LARGEST_NUMBER = 2**63 - 1

HOLD_PREFIX = "hold_"
ENTRY_PREFIX = "txn_"


class Numbered(NamedTuple):
    """What a public id names: a row of an account."""

    account_id: UUID
    number: int


def hold_id(account_id: UUID, number: int) -> str:
    return f"{HOLD_PREFIX}{account_part(account_id)}{number}"


def entry_id(account_id: UUID, number: int) -> str:
    return f"{ENTRY_PREFIX}{account_part(account_id)}{number}"


def parse_hold_id(public_id: str) -> Numbered | None:
    """Return the account and number of a hold's id, or None when it is not one."""
    return _parse(public_id, HOLD_PREFIX)


def parse_entry_id(public_id: str) -> Numbered | None:
    """Return the account and number of an entry's id, or None when it is not one."""
    return _parse(public_id, ENTRY_PREFIX)


@lru_cache(maxsize=1024)
def account_part(account_id: UUID) -> str:
    """Return the account's UUID as 22 characters of base 62."""
    value, characters = account_id.int, []
    for _ in range(_ACCOUNT_LENGTH):
        value, digit = divmod(value, 62)
        characters.append(_DIGITS[digit])
    return "".join(reversed(characters))


def _parse(public_id: str, prefix: str) -> Numbered | None:
    account, number = public_id[len(prefix) :][:_ACCOUNT_LENGTH], public_id[len(prefix) + _ACCOUNT_LENGTH :]
    if not public_id.startswith(prefix) or len(account) != _ACCOUNT_LENGTH or not 1 <= len(number) <= 19:
        return None
    if not (number.isascii() and number.isdigit()) or number[0] == "0" or int(number) > _LARGEST_NUMBER:
        return None
    value = 0
    for character in account:
        digit = _DIGITS.find(character)
        if digit < 0:
            return None
        value = value * 62 + digit
    return Numbered(UUID(int=value), int(number)) if value < 2**128 else None
