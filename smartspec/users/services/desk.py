"""What staff do for a person: end sessions, revoke keys, confirm an address, remove a second factor, hand out data."""

from datetime import datetime
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import transaction
from django.urls import reverse

from smartspec import mail
from smartspec.errors import DomainError
from smartspec.users.models import ApiKey, StaffAction, User
from smartspec.users.services.keys import UnknownKey
from smartspec.users.services.links import LinkUsedUp
from smartspec.users.services.staff import Staff, forbid_own, record_action, require_right, spare_superusers

END_SESSION = "users.end_session"
REVOKE_KEY = "users.revoke_key"
REVOKE_SERVICE_KEY = "users.change_apikey"
HAND_OUT = "users.hand_out_data"
REMOVE_SECOND_FACTOR = "users.remove_second_factor"
RESEND = "users.resend_verification"
VERIFICATION_SALT = "users.verify_address"
VERIFICATION_SECONDS = 3 * 86_400


class UnknownSession(DomainError):
    """The person has no such session any more."""

    code, status, title = "not_found", 404, "Not Found"


class NothingToVerify(DomainError):
    """The person's address is confirmed already."""

    code, status, title = "already_verified", 409, "Already confirmed"


class NoSecondFactor(DomainError):
    """The person logs in with a password alone."""

    code, status, title = "no_second_factor", 409, "No second factor"


def end_sessions_by_staff(*, staff: Staff, user: User, session_id: int | None, now: datetime) -> int:
    """This will sign a person out of one device, or everywhere (None), and return of how many.

    :raises NotPermitted: the role does not allow it.
    :raises UnknownSession: there is no such session.
    """
    require_right(staff, END_SESSION)
    spare_superusers(staff, user)
    with transaction.atomic():
        sessions = UserSession.objects.select_for_update().filter(user=user)
        ending = list(sessions if session_id is None else sessions.filter(pk=session_id))
        if not ending:
            raise UnknownSession("They are signed in nowhere." if session_id is None else "This session has ended.")
        Session.objects.filter(session_key__in=[session.session_key for session in ending]).delete()
        UserSession.objects.filter(pk__in=[session.pk for session in ending]).delete()
        record_action(
            staff=staff,
            action="end_sessions",
            whom=user,
            reference_type="session" if session_id else "",
            reference_id=str(session_id or ""),
            before={"sessions": len(ending)},
            after={"sessions": 0},
            now=now,
        )
    return len(ending)


def revoke_key_by_staff(*, staff: Staff, key_id: UUID, now: datetime) -> ApiKey:
    """This will end an API key for good: a person's, or, with a right of its own, a service's.

    :raises NotPermitted: the role does not allow it.
    :raises UnknownKey: there is no such key, or it is revoked.
    """
    key = ApiKey.objects.select_related("user").filter(pk=key_id).first()
    require_right(staff, REVOKE_SERVICE_KEY if key is not None and key.user is None else REVOKE_KEY)
    with transaction.atomic():
        if key is None or not ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now):
            raise UnknownKey("There is no such API key, or it is revoked already.")
        record_action(
            staff=staff,
            action="revoke_key",
            whom=key.user,
            reference_type="key",
            reference_id=key.prefix,
            before={"revoked": False},
            after={"revoked": True},
            now=now,
        )
    return key


def find_own_key(*, user: User, key_id: str) -> ApiKey:
    """Return a person's key that is not revoked.

    :raises UnknownKey: they have none such.
    """
    try:
        key = ApiKey.objects.filter(pk=UUID(key_id), user=user, revoked_at=None).first()
    except ValueError:
        key = None
    if key is None:
        raise UnknownKey("They have no such API key, or it is revoked.")
    return key


def remove_second_factor_by_staff(*, staff: Staff, user: User, now: datetime) -> int:
    """This will let a person who has lost their second factor log in without it, and return how many were removed.

    All of them go: authenticator app, passkeys, recovery codes. The person is told by mail. Staff make a new one before
    the back-office opens to them again.

    :raises NotPermitted: the role does not allow it, or it is their own: who can sign in removes it there.
    :raises NoSecondFactor: they have none.
    """
    require_right(staff, REMOVE_SECOND_FACTOR)
    spare_superusers(staff, user)
    forbid_own(staff, user)
    with transaction.atomic():
        present = list(Authenticator.objects.select_for_update().filter(user=user))
        if not present:
            raise NoSecondFactor("They have no second factor.")
        Authenticator.objects.filter(pk__in=[one.pk for one in present]).delete()
        done = record_action(
            staff=staff,
            action="remove_second_factor",
            whom=user,
            before={"second_factors": sorted(one.type for one in present)},
            after={"second_factors": []},
            now=now,
        )
        mail.send_mail_once(user=user, template="second_factor_removed", cause=f"staff:{done.pk}", context={}, now=now)
    return len(present)


# --- Confirming an address by link --------------------------------------------------------------------------------


def resend_verification_by_staff(*, staff: Staff, user: User, now: datetime) -> str:
    """This will mail a person a link that confirms their address, good for 3 days, and return the address.

    A code, as sign-up sends it, is of use only to the device that asked for it; so staff send a link.

    :raises NotPermitted: the role does not allow it.
    :raises NothingToVerify: the address is confirmed, or there is none.
    """
    require_right(staff, RESEND)
    address = EmailAddress.objects.filter(user=user, email__iexact=user.email).first()
    if address is None or address.verified:
        raise NothingToVerify("Their address is confirmed already.")
    with transaction.atomic():
        before, after = {"verified": False, "link_sent": False}, {"verified": False, "link_sent": True}
        done = record_action(staff=staff, action="resend_verification", whom=user, before=before, after=after, now=now)
        token = signing.dumps([address.pk, address.email], salt=VERIFICATION_SALT)
        link = settings.SITE_URL + reverse("verify_address", args=[token])
        mail.send_mail_once(
            user=user, template="verify_address", cause=f"staff:{done.pk}", context={"link": link}, now=now
        )
    return str(address.email)


def hand_out_by_staff(*, staff: Staff, user: User, now: datetime) -> StaffAction:
    """This will write down that a member of staff takes along everything that is held about a person.

    :raises NotPermitted, ReasonMissing: see `record_action`.
    """
    require_right(staff, HAND_OUT)
    before, after = {"handed_out": False}, {"handed_out": True}
    return record_action(staff=staff, action="hand_out_data", whom=user, before=before, after=after, now=now)


def read_verification(*, token: str) -> EmailAddress:
    """Return the address that a link confirms.

    :raises LinkUsedUp: forged, older than 3 days, used, or of an address that is no longer theirs.
    """
    try:
        pk, email = signing.loads(token, salt=VERIFICATION_SALT, max_age=VERIFICATION_SECONDS)
    except (signing.BadSignature, ValueError):
        pk, email = None, ""
    address = EmailAddress.objects.select_related("user").filter(pk=pk, email=email, verified=False).first()
    if address is None or not address.user.is_active:
        raise LinkUsedUp("This link has been used or is too old. Log in to have a code sent to you.")
    return address
