"""Forgetting a person: at once nobody is them any more, and then everything personal goes, app by app."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app

from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.mentions import mentions
from smartspec.models import JobFailure
from smartspec.users.models import ApiKey, Erasure, LogInPlace, SentMail, SupportView, User, WebSessionLink
from smartspec.users.services.staff import Staff, record_action, require_right

log = get_logger(__name__)

SESSIONS_AT_ONCE = 1000

GONE = "(erased)"


class StaffNotErased(DomainError):
    """What staff do is on record with their name, so that a member of staff leaves first."""

    code = "staff_not_erased"
    status = 409
    title = "Staff are not erased"


def request_erasure(*, user: User, now: datetime) -> Erasure:
    """This will end a person's sessions and keys at once, close their account, and have everything personal taken away,
    by a job that tries until it is done. Any number of requests are one.

    Accounts belong to an app that the ground must not import: the setting CLOSE_ACCOUNT names its service.

    :raises StaffNotErased: they belong to the staff.
    """
    with transaction.atomic():
        # The user's row is the lock, so that two requests at the same time are one. Rows that refer to it are written
        # meanwhile: whoever has locked the account may do so, and is waited for.
        locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if locked.is_staff:
            raise StaffNotErased("A staff account is ended by an administrator. Ask one to do so first.")
        erasure, is_new = Erasure.objects.get_or_create(user=locked, defaults={"requested_at": now})
        if is_new:
            shut_out(locked)
            import_string(settings.CLOSE_ACCOUNT)(account_id=locked.pk, now=now)
            enqueue_erasure(locked)
            log.info("Erasure asked for", user_id=str(locked.pk))
    return erasure


def erase_by_staff(*, staff: Staff, user: User, now: datetime) -> Erasure:
    """This will have a person's data taken away as `request_erasure` does, and write down who did it.

    :raises NotPermitted, ReasonMissing: see `record_action`.
    :raises StaffNotErased: they belong to the staff.
    """
    require_right(staff, "users.erase_user")
    with transaction.atomic():
        before = {"is_active": user.is_active}
        erasure = request_erasure(user=user, now=now)
        after = {"is_active": False, "erasure_asked_for_at": erasure.requested_at.isoformat()}
        record_action(staff=staff, action="erase_user", whom=user, before=before, after=after, now=now)
    return erasure


def enqueue_erasure(user: User) -> None:
    """This will put the erasure of a person on the queue. It may run any number of times."""
    # By name: the task calls services, so that services cannot import it.
    task = app.configure_task(name="smartspec.users.tasks.erase", queue="default", lock=f"erase:{user.pk}")
    task.defer(user_id=str(user.pk))


def shut_out(user: User) -> None:
    """End everything by which somebody could act as this person, or see what they see."""
    user.is_active = False
    user.set_unusable_password()  # ends sessions that no list knows
    user.save(update_fields=["is_active", "password"])
    devices = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=devices.values("session_key")).delete()
    devices.delete()
    ApiKey.objects.filter(user=user).delete()
    WebSessionLink.objects.filter(user=user).delete()
    SupportView.objects.filter(whom=user).delete()


def forget_visits(user: User) -> None:
    """End the sessions that name a person and are nobody else's: whoever asks for a new password has one.

    What is in a session cannot be searched for, so each is read.
    """
    their_id = str(user.pk)
    traces = {their_id, user.email.lower()}
    last = ""
    while page := list(Session.objects.filter(pk__gt=last).order_by("pk")[:SESSIONS_AT_ONCE]):
        contents = {session.pk: session.get_decoded() for session in page}
        others = {pk for pk, held in contents.items() if held.get(SESSION_KEY, their_id) != their_id}
        named = [pk for pk, held in contents.items() if pk not in others and traces & set(words_in(held))]
        Session.objects.filter(pk__in=named).delete()
        last = page[-1].pk


def words_in(held: Any) -> Iterator[str]:
    """Yield every text in what a session holds, however deep."""
    if isinstance(held, dict | list):
        for part in held.values() if isinstance(held, dict) else held:
            yield from words_in(part)
    else:
        yield str(held).lower()


def finish_erasure(*, user: User, now: datetime) -> None:
    """This will make a person's own row anonymous, and take away what hangs on it. The last step of an erasure."""
    email = user.email
    forget_visits(user)
    with transaction.atomic():
        shut_out(user)
        EmailAddress.objects.filter(user=user).delete()
        LogInPlace.objects.filter(user=user).delete()
        SentMail.objects.filter(user=user).delete()
        Authenticator.objects.filter(user=user).delete()
        LogEntry.objects.filter(object_id=str(user.pk)).update(object_repr=GONE)
        LogEntry.objects.filter(mentions("object_repr", email)).update(object_repr=GONE)
        JobFailure.objects.filter(mentions("traceback", email)).update(error=GONE, traceback=GONE)
        user.email, user.name, user.last_login = f"{user.pk}@erased.invalid", "", None
        user.groups.clear()
        user.user_permissions.clear()
        user.save()
        Erasure.objects.filter(user=user, finished_at=None).update(finished_at=now)
    log.info("Person erased", user_id=str(user.pk))
