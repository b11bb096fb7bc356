"""Going through many accounts: one that fails keeps no other from its turn."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from django.db import connection

from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

Account = TypeVar("Account")
Answer = TypeVar("Answer")


class AccountsFailed(DomainError):
    """Something went wrong in some accounts; the others had their turn."""

    code, status, title = "accounts_failed", 500, "Some accounts failed"


def act_on_each(accounts: Iterable[Account], act: Callable[[Account], Answer]) -> Iterator[Answer]:
    """Yield what `act` answers for each account. Where it fails, the log says why, and the next one follows.

    :raises AccountsFailed: at the end, if it failed in some.
    """
    failed = 0
    for account in accounts:
        try:
            answer = act(account)
        except Exception:
            if not connection.is_usable():  # it is not this account
                raise
            log.exception("Account left out of a sweep", account=str(account))
            failed += 1
        else:
            yield answer
    if failed:
        raise AccountsFailed(f"It failed in {failed} accounts, which the log names. All others had their turn.")
