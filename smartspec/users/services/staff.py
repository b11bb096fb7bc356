"""What staff do: who may, and the record of it.

Every service that staff call takes a `Staff`, asks `require_right` first, and writes a `StaffAction` in the transaction
that changes something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.mentions import without
from smartspec.users.models import StaffAction, StaffReason, User

log = get_logger(__name__)


class NotPermitted(DomainError):
    """The member of staff has no role that allows this."""

    code = "not_permitted"
    status = 403
    title = "Not permitted"


class ReasonMissing(DomainError):
    """Every action of staff has a reason out of the list, and a note."""

    code = "reason_missing"
    status = 422
    title = "A reason is missing"


@dataclass(frozen=True)
class Staff:
    """A member of staff at work: who, from which address, and why they do what they are about to do."""

    user: User
    address: str | None = None
    reason: str = ""
    note: str = ""


def require_right(staff: Staff, right: str) -> None:
    """This will let a member of staff pass who has a right (`app.codename`); whoever has not is logged.

    :raises NotPermitted: deactivated, no staff, or without the right.
    """
    user = staff.user
    if user.is_active and user.is_staff and user.has_perm(right):
        return
    raise refusal_of(staff, right)


def refusal_of(staff: Staff, right: str) -> NotPermitted:
    """Return what is raised to a member of staff who may not do this, and log that they tried."""
    log.warning("Refused a staff action", actor_id=str(staff.user.pk), right=right, address=staff.address)
    return NotPermitted("Your role does not allow this.", right=right)


def forbid_own(staff: Staff, user: User) -> None:
    """This will let a member of staff pass unless the person concerned is themselves.

    :raises NotPermitted: it is.
    """
    if staff.user.pk == user.pk:
        log.warning("Refused a staff action on oneself", actor_id=str(user.pk), address=staff.address)
        raise NotPermitted("Nobody does that for themselves: ask a colleague.")


def spare_superusers(staff: Staff, user: User) -> None:
    """This will let a member of staff pass unless the person concerned is a superuser, and they are not.

    :raises NotPermitted: so it is.
    """
    if user.is_superuser and not staff.user.is_superuser:
        log.warning("Refused a staff action on a superuser", actor_id=str(staff.user.pk), address=staff.address)
        raise NotPermitted("Only a superuser does that to a superuser.")


def note_about(staff: Staff, whom: User | None) -> str:
    """Return a note as it is kept: for good, and so without the address and the full name of whom it is about.

    Whose note it is stands beside it; after their erasure nobody is to be found by it. A name of one word finds nobody,
    and may be any word of the note: who is called “refund” does not take that out of it.
    """
    note = staff.note.strip()
    if whom is None:
        return note
    full_name = whom.name if " " in whom.name else ""
    return without(without(note, whom.email, "[their address]"), full_name, "[their name]")


def record_action(
    *,
    staff: Staff,
    action: str,
    now: datetime,
    whom: User | None = None,
    reference_type: str = "",
    reference_id: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> StaffAction:
    """This will write down what a member of staff does. Call it in the transaction that does it.

    `action` is a word for what was done (`adjust_credits`), `reference_*` name the thing (a purchase, a webhook);
    `before` and `after` say what changed, in what JSON knows, and never hold a secret or somebody's personal data.

    :raises ReasonMissing: `staff` has no reason out of the list, or no note.
    """
    if staff.reason not in StaffReason.values or not staff.note.strip():
        raise ReasonMissing("Choose a reason from the list and write a note.")
    done = StaffAction.objects.create(
        actor=staff.user,
        action=action,
        whom=whom,
        reference_type=reference_type,
        reference_id=reference_id,
        reason=staff.reason,
        note=note_about(staff, whom),
        before=dict(before or {}),
        after=dict(after or {}),
        address=staff.address,
        created_at=now,
    )
    log.info(
        "Staff action",
        action=action,
        actor_id=str(staff.user.pk),
        user_id=str(whom.pk) if whom else None,
        reference_id=reference_id,
        reason=staff.reason,
    )
    return done
