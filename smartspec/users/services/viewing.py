"""Support sees the account pages as a person sees them: for a while, to read only, on record."""

from datetime import datetime, timedelta

from django.db import transaction

from smartspec.users.models import SupportView, User
from smartspec.users.services.staff import NotPermitted, Staff, record_action, require_right

VIEW_AS = "users.view_as_person"
VIEW_LASTS = timedelta(minutes=60)


def view_as(*, staff: Staff, user: User, now: datetime) -> SupportView:
    """This will let a member of staff read the account pages of a person for 60 minutes, and no other's meanwhile.

    :raises NotPermitted: the role does not allow it, or the person is a member of staff.
    :raises ReasonMissing: no reason, or no note.
    """
    require_right(staff, VIEW_AS)
    if user.is_staff:
        raise NotPermitted("The pages of staff are theirs alone.")
    with transaction.atomic():
        view, _ = SupportView.objects.update_or_create(
            staff=staff.user, defaults={"whom": user, "ends_at": now + VIEW_LASTS}
        )
        record_action(
            staff=staff,
            action="view_as_person",
            whom=user,
            before={"reads_until": None},
            after={"reads_until": view.ends_at.isoformat()},
            now=now,
        )
    return view


def find_view(*, user: User, now: datetime) -> SupportView | None:
    """Return whose pages a member of staff is reading now; None for everybody else, and once the right is gone."""
    if not user.is_staff:
        return None
    view = SupportView.objects.select_related("whom").filter(staff=user, ends_at__gt=now).first()
    return view if view is not None and user.has_perm(VIEW_AS) else None


def end_view(*, user: User) -> None:
    """This will let a member of staff see their own pages again."""
    SupportView.objects.filter(staff=user).delete()
