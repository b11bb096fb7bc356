"""What the endpoints of credits share: who may settle, and how some of their answers look."""

from datetime import datetime
from uuid import UUID

from rest_framework import exceptions

from credits import selectors
from smartspec import clock
from smartspec.api import HasScope
from smartspec.errors import DomainError
from smartspec.users.permissions import MissingScope

SPEND_SCOPE = "credits:spend"


class SpendsCredits(HasScope(SPEND_SCOPE)):  # type: ignore[misc]
    """A service key with `credits:spend`. A person lacks that scope by any credentials."""

    code = MissingScope.code
    message = f"Only service keys with the scope {SPEND_SCOPE} hold and settle credits."


def field_error(refusal: DomainError) -> exceptions.ValidationError:
    """Return what the price list refuses as the error of the field that it is about."""
    attr = refusal.context.get("attr", "operation")
    return exceptions.ValidationError({attr: exceptions.ErrorDetail(refusal.detail, refusal.code)})


def covered_period(account_id: UUID, query: dict[str, datetime]) -> dict[str, datetime]:
    """Return the period that a query covers: where it leaves one end open, since the account began, or until now."""
    now = clock.now()
    account = selectors.find_open_account(account_id=account_id)
    ends = query.get("date_to") or max(now, query.get("date_from", now))
    begins = query.get("date_from") or min(ends, now if account is None else account.opened_at)
    return {"period_start": begins, "period_end": ends}
