"""What staff change about a person: their name, whether they may log in, and, superusers alone, their rights."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from smartspec.users.models import User
from smartspec.users.services.staff import Staff, record_action, refusal_of, require_right

CHANGE_PERSON = "users.change_user"
RIGHTS = ("is_staff", "is_superuser", "groups")


def changeable_fields(staff: Staff, user: User) -> tuple[str, ...]:
    """Return what a member of staff who may change people may change of this one.

    Whoever is no superuser leaves staff alone: a name could impersonate, a deactivation lock out. And nobody locks
    themselves out, or is talked into it.
    """
    if not staff.user.is_superuser:
        return () if user.is_staff else ("name", "is_active")
    return ("name",) if staff.user.pk == user.pk else ("name", "is_active", *RIGHTS)


def change_person_by_staff(*, staff: Staff, user: User, changes: Mapping[str, Any], now: datetime) -> None:
    """This will change fields of a person, if any, and write down what became of what.

    :raises NotPermitted: the role does not allow it, or `changeable_fields` does not.
    :raises ReasonMissing: see `record_action`.
    """
    require_right(staff, CHANGE_PERSON)
    if not changes:
        return
    with transaction.atomic():
        known = User.objects.select_for_update().get(pk=user.pk)  # `user` may hold the changes already
        if not changes.keys() <= set(changeable_fields(staff, known)):
            raise refusal_of(staff, CHANGE_PERSON)
        before = {name: as_recorded(known, name) for name in changes}
        for name, value in changes.items():
            if name == "groups":
                known.groups.set(value)
            else:
                setattr(known, name, value)
        known.save(update_fields=[name for name in changes if name != "groups"])
        after = {name: as_recorded(known, name) for name in changes}
        record_action(staff=staff, action="change_person", whom=known, before=before, after=after, now=now)


def as_recorded(user: User, name: str) -> Any:
    """Return what the record keeps of a field: of the roles their names, of what is personal nothing."""
    if name == "groups":
        return sorted(user.groups.values_list("name", flat=True))
    value = getattr(user, name)
    return value if isinstance(value, bool) else "changed"
