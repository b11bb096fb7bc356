"""What concerns an account as a whole: freezing, its plan, and the end of what is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from credits import ledger, selectors, sources
from credits.services.checks import UnknownAccount
from credits.services.sweeps import act_on_each

ERASED = "erased"


@dataclass(frozen=True)
class Expired:
    """What a sweep ended: how many lots and holds, in how many accounts."""

    accounts: int
    lots: int
    holds: int


def freeze(*, account_id: UUID, cause: str, now: datetime) -> bool:
    """This will add a cause (`dispute:<id>`, `staff`) to those that freeze an account, and tell whether it was new.

    :raises UnknownAccount: there is no such user.
    """
    return _changed(account_id, ledger.call_value("credits_freeze", account_id, cause, now))


def thaw(*, account_id: UUID, cause: str, now: datetime) -> bool:
    """This will take a cause away, and tell whether it was there.

    :raises UnknownAccount: there is no such user.
    """
    return _changed(account_id, ledger.call_value("credits_thaw", account_id, cause, now))


def close_account(*, account_id: UUID, now: datetime) -> None:
    """This will let nobody spend from an account any more: its person asked to be forgotten. Again changes nothing.

    :raises UnknownAccount: there is no such user.
    """
    freeze(account_id=account_id, cause=ERASED, now=now)


def set_plan(
    *,
    account_id: UUID,
    plan: str,
    anchor_at: datetime,
    paid_until: datetime | None,
    source: str,
    now: datetime,
    paid_from: datetime | None = None,
) -> None:
    """This will write an account's plan state. Any number of times with the same state is once.

    `source` is opaque, e.g. the subscription's id; `free` returns to Free, whose months are counted from where the
    account began, whatever `anchor_at` says. When the source changes, the subscription
    lots of the former one end at once. `paid_from` begins what is paid for after a gap (a pause, a period never paid),
    so that no allowance is given for the gap; left out, there was none.

    :raises UnknownAccount: there is no such user.
    """
    _changed(
        account_id,
        ledger.call_value("credits_set_plan", account_id, plan, anchor_at, paid_from, paid_until, source, now),
    )


def end_grace(*, account_id: UUID, source: str, now: datetime) -> None:
    """This will end the allowance of a plan source's last period: the renewal has failed.

    A paid plan's lot lives 72 hours past its period while the renewal invoice is on its way; this ends the wait, now:
    until now it could be spent. One that we learned of late lives on for as long as was promised.
    """
    state = selectors.get_plan_state(account_id=account_id, now=now)
    last = selectors.month_at(anchor_at=state.anchor_at, at=state.period_start - timedelta(microseconds=1))
    latest = last.end_at + selectors.RENEWAL_GRACE
    ledger.call_value("credits_end_lots", account_id, sources.allowance(source, last.start_at), now, latest, now)


def expire(*, now: datetime, limit: int | None = None, dry_run: bool = False) -> Expired:
    """This will end the lots and holds that are due, in at most `limit` accounts, each in a transaction of its own.

    :raises AccountsFailed: at the end, if some accounts could not be settled.
    """

    def end(account: selectors.DueAccount) -> selectors.DueAccount:
        if not dry_run:
            ledger.call_value("credits_touch", account.account_id, now)
        return account

    accounts = lots = holds = 0
    for account in act_on_each(selectors.iterate_due(now=now, limit=limit), end):
        accounts, lots, holds = accounts + 1, lots + account.lots, holds + account.holds
    return Expired(accounts, lots, holds)


def _changed(account_id: UUID, status: str) -> bool:
    if status == "no_account":
        raise UnknownAccount(account_id)
    return status == "ok"
