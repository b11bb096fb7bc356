"""The monthly credits of a plan: each period once, when its start is paid for; Free's for verified people."""

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from credits import catalogue, ledger, selectors, sources
from credits.models import Account, FreeAllowanceAddress, Grant, Plan
from credits.periods import Period, nth_period, period_at
from credits.services.checks import UnknownAccount
from credits.services.grants import DEFAULT_PRIORITY, Granted, granted
from credits.services.sweeps import act_on_each
from smartspec.logs import get_logger
from smartspec.users import selectors as users_selectors
from smartspec.users.models import User

log = get_logger(__name__)


@dataclass(frozen=True)
class PaidTime:
    """A plan from one source, and the unbroken time for which it is paid; its months count from the anchor."""

    plan: str
    source: str
    anchor_at: datetime
    paid_from: datetime
    paid_until: datetime


def give_allowances(*, account_id: UUID, now: datetime, until: datetime | None = None) -> list[Granted]:
    """This will give every allowance that is due and not yet given, exactly once each; the answer lists the new ones.

    A paid plan's periods are given when their start lies inside what is paid for; one that we learn of after its end
    lives one period's length from now. Those that begin after `until` are left for another call: from then on another
    plan holds. Free's present period is given to a verified address, one account per address.

    :raises UnknownAccount: there is no such user.
    """
    # What is given depends on the plan state, which must not change before it is given: the account stays locked.
    with transaction.atomic():
        if ledger.call("credits_touch", account_id, now, plain=("account_id",))["account_id"] is None:
            raise UnknownAccount(account_id)
        account = Account.objects.select_related("user").get(pk=account_id)
        if account.plan_source == sources.FREE:
            answers = _give_free(account, _find_plan(sources.FREE), now)
        elif account.paid_until is None or account.paid_from is None:
            answers = []
        else:
            paid = PaidTime(
                account.plan_id, account.plan_source, account.anchor_at, account.paid_from, account.paid_until
            )
            answers = _give_paid(account_id, paid, now, until or now)
    return [answer for answer in answers if not answer.is_replay]


def give_past_allowances(
    *,
    account_id: UUID,
    paid: PaidTime,
    ended_at: datetime,
    now: datetime,
    until: datetime | None = None,
    is_paid_late: bool = False,
) -> list[Granted]:
    """This will give what a plan that is over should have given, had we known in time, exactly once each.

    A month that was over before the plan was lives one period's length from now, as any that we learn of late. One in
    which the plan ended is given and ends at once, as it would have then; one that was paid only after the plan had
    ended (`is_paid_late`) is nobody's loss but ours, and lives as long from now. The present plan is left alone.

    :raises UnknownAccount: there is no such user.
    """
    if ledger.call("credits_touch", account_id, now, plain=("account_id",))["account_id"] is None:
        raise UnknownAccount(account_id)
    answers = _give_paid(account_id, paid, now, min(until or now, ended_at), is_late=is_paid_late)
    for answer in answers:
        if (
            not is_paid_late
            and period_at(paid.anchor_at, sources.period_start_of(answer.grant.source)).end_at > ended_at
        ):
            end_lot(account_id=account_id, source=answer.grant.source, now=now)
    return [answer for answer in answers if not answer.is_replay]


def end_lot(*, account_id: UUID, source: str, now: datetime) -> None:
    """This will end the lot that a plan gave from this source: what is left of it expires."""
    ledger.call_value("credits_end_lots", account_id, source, now, None, now)


def give_due_allowances(*, now: datetime) -> int:
    """This will give what is due in every account, one transaction each, and return how many allowances that were.

    :raises AccountsFailed: at the end, if it failed in some accounts.
    """
    due = selectors.iterate_accounts_with_due_allowance(now=now)
    return sum(act_on_each(due, lambda account_id: len(give_allowances(account_id=account_id, now=now))))


def _give_free(account: Account, plan: Plan, now: datetime) -> list[Granted]:
    user = account.user
    if plan.monthly_credits == 0 or not users_selectors.has_verified_email(user):
        return []
    # Whoever goes through all accounts read the clock before this one was opened: no month came before its first.
    period = period_at(account.anchor_at, max(now, account.anchor_at))
    address = _address_hash(user)
    answer = _give(account.pk, sources.FREE, plan, period, now, expires_at=period.end_at, address_hash=address)
    if answer is None:
        holder = FreeAllowanceAddress.objects.get(pk=address)
        log.info(
            "Free allowance of this address is taken",
            account_id=str(account.pk),
            taken_by=str(holder.account_id),
            until=holder.given_until.isoformat(),
        )
        return []
    return [answer]


def _give_paid(
    account_id: UUID, paid: PaidTime, now: datetime, until: datetime, *, is_late: bool = False
) -> list[Granted]:
    """Give the periods that have begun, by `now` and by `until`, and are paid for; late ones live a period from now."""
    plan = _find_plan(paid.plan)
    if plan.monthly_credits == 0:
        return []
    given = set(
        Grant.objects.filter(
            account_id=account_id, kind=Grant.Kind.SUBSCRIPTION, source__startswith=sources.allowances_of(paid.source)
        ).values_list("source", flat=True)
    )
    answers = []
    for n in count():
        period = nth_period(paid.anchor_at, n)
        if period.start_at >= paid.paid_until or period.start_at > min(now, until):
            break
        if period.start_at < paid.paid_from or sources.allowance(paid.source, period.start_at) in given:
            continue
        if period.end_at > now and not is_late:
            expires_at = period.end_at + selectors.RENEWAL_GRACE
        else:
            expires_at = now + (period.end_at - period.start_at)
        last = nth_period(paid.anchor_at, n - 1)
        answer = _give(
            account_id,
            paid.source,
            plan,
            period,
            now,
            expires_at=expires_at,
            ends=sources.allowance(paid.source, last.start_at),
        )
        if answer is not None:
            answers.append(answer)
    return answers


def _find_plan(slug: str) -> Plan:
    return next(plan for plan in catalogue.get().plans if plan.slug == slug)


def _give(
    account_id: UUID,
    source: str,
    plan: Plan,
    period: Period,
    now: datetime,
    *,
    expires_at: datetime,
    ends: str = "",
    address_hash: str | None = None,
) -> Granted | None:
    """Give one period its allowance, which ends that of source `ends`: the last period's, which waited for this one."""
    row = ledger.call(
        "credits_give_allowance",
        account_id,
        sources.allowance(source, period.start_at),
        plan.monthly_credits,
        DEFAULT_PRIORITY,
        expires_at,
        period.end_at,
        ends,
        period.start_at + selectors.RENEWAL_GRACE,
        address_hash,
        f"{plan.display_name} credits for {period.start_at:%-d %B %Y} to {period.end_at:%-d %B %Y}",
        now,
        parts={"lot": Grant},
    )
    return None if row["status"] == "taken" else granted(account_id, row)


def _address_hash(user: User) -> str:
    """Digest the address behind an e-mail's spellings: case, tags, and Gmail's dots make no second person."""
    local, _, domain = user.email.strip().lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    address = f"{local}@{domain}"
    key = settings.ADDRESS_HASH_KEY
    return salted_hmac("credits.free_allowance", address, secret=key, algorithm="sha256").hexdigest()
