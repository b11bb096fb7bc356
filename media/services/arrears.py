"""Storage that could not be paid: owed until the next credits, which pay it first, and the ladder meanwhile.

The ledger knows nothing of files, so arrears are collected from here: by each bill before the new day is charged, every
minute from accounts that have credits again, and at once when somebody whose uploads are stopped tries to upload.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from credits import services as credits_services
from media import selectors
from media.models import StorageAccount, StorageEvent
from media.services import accounts, deletions
from smartspec import mail
from smartspec.logs import get_logger

log = get_logger(__name__)

Step = StorageAccount.Step

UPLOADS_STOP_AFTER = timedelta(days=7)
FILES_DELETED_AFTER = timedelta(days=60)
# Each step, the one before it, and how long after the first unpaid charge its time has come.
LADDER = (
    (Step.UPLOADS_STOPPED, Step.WARNED, UPLOADS_STOP_AFTER),
    (Step.FILES_DELETED, Step.UPLOADS_STOPPED, FILES_DELETED_AFTER),
)
ZERO = Decimal(0)
MAIL_TEMPLATES = {
    Step.WARNED: "storage_unpaid",
    Step.UPLOADS_STOPPED: "storage_uploads_stopped",
    Step.FILES_DELETED: "storage_files_deleted",
}


def uploads_are_stopped(*, user_id: UUID, now: datetime) -> bool:
    """Tell whether an account has been in arrears for so long that it takes no new files."""
    return StorageAccount.objects.filter(pk=user_id, unpaid_since__lte=now - UPLOADS_STOP_AFTER).exists()


# --- Collecting ---------------------------------------------------------------------------------------------------


def collect(account: StorageAccount, *, now: datetime) -> Decimal:
    """This will charge what is owed, as far as there are credits, and return how much that was. The account is locked;
    the caller steps on and saves it."""
    if not account.arrears_credits or account.unpaid_since is None:
        return ZERO
    paid = credits_services.charge(
        account_id=account.user_id,
        operation=selectors.OPERATION,
        credits=account.arrears_credits,
        # What has been paid in all only grows, so each collection has a key of its own, and a repeated one the same.
        idempotency_key=f"storage:arrears:{account.paid_credits.normalize():f}",
        now=now,
        partial=True,
        description=f"Storage owed since {account.unpaid_since:%Y-%m-%d}",
        reference_type=selectors.OPERATION,
        reference_id=f"arrears:{account.unpaid_since:%Y-%m-%d}",
    ).credits
    account.paid_credits += paid
    return paid


def collect_from(*, user_id: UUID, now: datetime) -> Decimal:
    """This will collect what one account owes, as far as it has credits, and return how much that was."""
    with transaction.atomic():
        return settle(accounts.lock_account(user_id=user_id), now=now)


def settle(account: StorageAccount, *, now: datetime) -> Decimal:
    """This will collect what an account owes, as far as it has credits, end its ladder when that is all, and return how
    much it was. The account is locked."""
    collected = collect(account, now=now)
    step_on(account, now=now)
    account.save()
    if collected:
        log.info("Storage arrears collected", user_id=str(account.user_id), credits=str(collected))
    return collected


def collect_arrears(*, now: datetime) -> int:
    """This will collect from every account in arrears that has credits, and return how many paid anything.

    :raises credits_services.AccountsFailed: at the end, if it failed in some accounts.
    """
    able = selectors.iterate_unpaid_accounts(with_credits=True)
    paid = credits_services.act_on_each(able, lambda user_id: collect_from(user_id=user_id, now=now))
    return sum(bool(credits) for credits in paid)


# --- The ladder ---------------------------------------------------------------------------------------------------


def step_on(account: StorageAccount, *, now: datetime) -> None:
    """This will begin the ladder of an account that has fallen behind, or end that of one that has paid. The account
    is locked; the caller saves it."""
    if account.arrears_credits and account.unpaid_since is None:
        account.unpaid_since = now
        take_step(account, Step.WARNED, now=now)
    elif not account.arrears_credits and account.unpaid_since is not None:
        record(account, StorageEvent.Kind.PAID, since=account.unpaid_since, now=now)
        account.unpaid_since, account.step = None, Step.NONE


def climb_ladder(*, now: datetime) -> int:
    """This will take the next steps with every account whose time has come, and return how many steps that were.

    :raises credits_services.AccountsFailed: at the end, if it failed in some accounts.
    """
    due = selectors.iterate_unpaid_accounts(unpaid_before=now - UPLOADS_STOP_AFTER)
    return sum(credits_services.act_on_each(due, lambda user_id: climb(user_id=user_id, now=now)))


def remind_unpaid(*, now: datetime) -> None:
    """This will send every account in arrears the mail of its step, where nobody could read it at first.

    :raises credits_services.AccountsFailed: at the end, if it failed in some accounts.
    """
    unpaid = selectors.iterate_unpaid_accounts()
    for _ in credits_services.act_on_each(unpaid, lambda user_id: remind(user_id=user_id, now=now)):
        pass


def delete_unpaid(*, now: datetime) -> int:
    """This will delete the files of every account at the ladder's end, and return how many they were. Before each batch
    it collects, and it stops as soon as everything is paid.

    :raises credits_services.AccountsFailed: at the end, if the bucket kept files of some accounts; call again.
    """
    due = selectors.iterate_accounts_to_empty()

    def is_unpaid(account: StorageAccount) -> bool:
        settle(account, now=now)  # as in `climb`
        return account.step == Step.FILES_DELETED

    def delete(user_id: UUID) -> int:
        return deletions.delete_batches(user_id=user_id, now=now, is_due=is_unpaid)

    return sum(credits_services.act_on_each(due, delete))


def climb(*, user_id: UUID, now: datetime) -> int:
    """This will take the steps whose time has come with one account, unless it can pay, and return how many."""
    steps = 0
    with transaction.atomic():
        account = accounts.lock_account(user_id=user_id)
        settle(account, now=now)  # nobody is punished who could have paid
        for step, before, after in LADDER:
            if account.step == before and account.unpaid_since is not None and account.unpaid_since + after <= now:
                take_step(account, step, now=now)
                steps += 1
        account.save()
    return steps


def remind(*, user_id: UUID, now: datetime) -> None:
    """This will send the mail of the step on which an account stands, if that has not been done."""
    account = StorageAccount.objects.select_related("user").filter(pk=user_id, unpaid_since__isnull=False).first()
    if account is not None:
        tell(account, now=now)


def take_step(account: StorageAccount, step: Step, *, now: datetime) -> None:
    """This will take a step: on the account, on record, and by mail when the transaction commits."""
    assert account.unpaid_since is not None  # noqa: S101 - narrows the type; a ladder has begun
    account.step = step
    record(account, StorageEvent.Kind(step.value), since=account.unpaid_since, now=now)
    tell(account, now=now)


def tell(account: StorageAccount, *, now: datetime) -> None:
    """This will send the mail of the step on which an account stands, once."""
    since = account.unpaid_since
    assert since is not None  # noqa: S101 - narrows the type; a ladder has begun
    if not account.user.is_active:
        return  # nobody reads it; whoever comes back is told then
    mail.send_mail_once(
        user=account.user,
        template=MAIL_TEMPLATES[Step(account.step)],
        cause=f"storage unpaid since {since.isoformat()}",
        context={
            "arrears_credits": account.arrears_credits,
            "uploads_stop_at": since + UPLOADS_STOP_AFTER,
            "files_deleted_at": since + FILES_DELETED_AFTER,
        },
        now=now,
    )


def record(account: StorageAccount, kind: StorageEvent.Kind, *, since: datetime, now: datetime) -> None:
    """This will put a step on record."""
    StorageEvent.objects.get_or_create(
        user_id=account.user_id,
        kind=kind,
        unpaid_since=since,
        defaults={"arrears_credits": account.arrears_credits, "happened_at": now},
    )
    log.info("Storage ladder", user_id=str(account.user_id), step=kind.value, credits=str(account.arrears_credits))
