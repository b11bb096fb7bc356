"""What every service of the ledger checks before its call, and the refusals that several of them share."""

from decimal import Decimal
from uuid import UUID

from credits.prices import plain
from smartspec.errors import DomainError

MAXIMUM_CREDITS = Decimal(10) ** 12
MAXIMUM_KEY_LENGTH = 255
MAXIMUM_REASON_LENGTH = 500


class InvalidCredits(DomainError):
    """Not a positive number of credits with at most 6 decimals."""

    code, status, title = "invalid_credits", 422, "Not a number of credits"


class InvalidIdempotencyKey(DomainError):
    """An idempotency key has 1 to 255 characters."""

    code, status, title = "invalid_idempotency_key", 400, "Not an idempotency key"


class InvalidReason(DomainError):
    """A reason that somebody reads in their history has at most 500 characters."""

    code, status, title = "invalid_reason", 422, "Not a reason"


class IdempotencyConflict(DomainError):
    """The key, or the source, was used before for something else."""

    code, status, title = "idempotency_conflict", 409, "Used before for something else"


class InsufficientCredits(DomainError):
    """Fewer credits are available than the operation needs."""

    code, status, title = "insufficient_credits", 402, "Not enough credits"

    def __init__(self, required: Decimal, available: Decimal) -> None:
        super().__init__(
            f"This needs {plain(required)} credits, and {plain(available)} are available.",
            required=required,
            available=available,
        )


class AccountFrozen(DomainError):
    """The account is frozen: no new holds, no checkout."""

    code, status, title = "account_frozen", 403, "The account is frozen"

    def __init__(self, detail: str = "This account is frozen. Please contact support.") -> None:
        super().__init__(detail)


class UnknownAccount(DomainError):
    """There is no user of that id."""

    code, status, title = "unknown_account", 404, "Unknown account"

    def __init__(self, account_id: UUID) -> None:
        super().__init__(f"There is no user {account_id}.")


def checked_credits(credits: Decimal | int, *, signed: bool = False) -> Decimal:
    """Return credits as an exact decimal.

    :raises InvalidCredits: zero, negative (unless signed), not finite, over-precise or absurdly large.
    :raises TypeError: a float; credits never were one.
    """
    if isinstance(credits, bool) or not isinstance(credits, Decimal | int):
        raise TypeError(f"credits must be a Decimal, not {type(credits).__name__}")
    value = Decimal(credits)
    if not value.is_finite() or abs(value) >= MAXIMUM_CREDITS:
        raise InvalidCredits("credits must be a number below a million million.")
    if value == 0 or (value < 0 and not signed):
        raise InvalidCredits("credits must be above zero.")
    if value != value.quantize(Decimal("0.000001")):
        raise InvalidCredits("credits have at most 6 decimals.")
    return value


def checked_key(key: str, *, longest: int = MAXIMUM_KEY_LENGTH) -> str:
    """Return an idempotency key.

    :raises InvalidIdempotencyKey: not 1 to `longest` characters.
    """
    if not 1 <= len(key) <= longest or "\x00" in key:
        raise InvalidIdempotencyKey(f"An idempotency key has 1 to {longest} characters.")
    return key


def checked_reason(reason: str) -> str:
    """Return a reason that stands in an entry.

    :raises InvalidReason: more than 500 characters.
    """
    if len(reason) > MAXIMUM_REASON_LENGTH:
        raise InvalidReason(f"A reason has at most {MAXIMUM_REASON_LENGTH} characters, and this one {len(reason)}.")
    return reason


def checked_optional_key(key: str | None) -> str | None:
    """Return an idempotency key where there is one."""
    return None if key is None else checked_key(key)
