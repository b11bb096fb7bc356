"""What else staff do to an account: end a hold, freeze, thaw."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from credits import selectors
from credits.models import Hold
from credits.services.accounts import freeze, thaw
from credits.services.checks import UnknownAccount
from credits.services.holds import UnknownHold, release_hold
from smartspec.users import services as users_services
from smartspec.users.models import User
from smartspec.users.services import Staff

RELEASE = "credits.release_hold"
FREEZE = "credits.freeze_account"
STAFF_CAUSE = "staff"


def release_hold_by_staff(*, staff: Staff, hold_id: str, now: datetime) -> Hold:
    """This will end an open hold with nothing spent. Again is the same, and written down once.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises UnknownHold, HoldExpired, HoldAlreadySettled: as `release_hold`.
    """
    users_services.require_right(staff, RELEASE)
    with transaction.atomic():
        before = selectors.get_hold(hold_id=hold_id)
        if before is None:
            raise UnknownHold("There is no such hold.")
        settled = release_hold(hold_id=hold_id, now=now)
        if not settled.is_replay:
            users_services.record_action(
                staff=staff,
                action="release_hold",
                whom=User.objects.get(pk=before.account_id),
                reference_type="hold",
                reference_id=hold_id,
                before={"status": before.status, "credits": str(before.credits)},
                after={"status": settled.hold.status},
                now=now,
            )
    return settled.hold


def freeze_by_staff(*, staff: Staff, account_id: UUID, now: datetime) -> bool:
    """This will freeze an account (no new holds, no checkout), and tell whether staff had not frozen it before.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises UnknownAccount: there is no such user.
    """
    users_services.require_right(staff, FREEZE)
    with transaction.atomic():
        user = _find_user(account_id)
        before = selectors.frozen_causes(account_id=account_id)
        is_new = freeze(account_id=account_id, cause=STAFF_CAUSE, now=now)
        if is_new:
            _record(staff, "freeze_account", user, before, now)
    return is_new


def thaw_by_staff(*, staff: Staff, account_id: UUID, cause: str, now: datetime) -> bool:
    """This will take one cause away that freezes an account, and tell whether it was there.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises UnknownAccount: there is no such user.
    """
    users_services.require_right(staff, FREEZE)
    with transaction.atomic():
        user = _find_user(account_id)
        before = selectors.frozen_causes(account_id=account_id)
        was_there = thaw(account_id=account_id, cause=cause, now=now)
        if was_there:
            _record(staff, "thaw_account", user, before, now)
    return was_there


def _record(staff: Staff, action: str, user: User, before: list[str], now: datetime) -> None:
    users_services.record_action(
        staff=staff,
        action=action,
        whom=user,
        before={"frozen": before},
        after={"frozen": selectors.frozen_causes(account_id=user.pk)},
        now=now,
    )


def _find_user(account_id: UUID) -> User:
    user = User.objects.filter(pk=account_id).first()
    if user is None:
        raise UnknownAccount(account_id)
    return user
