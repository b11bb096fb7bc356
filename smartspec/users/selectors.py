"""Reads about people and keys."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.module_loading import import_string

from smartspec.users import keys
from smartspec.users.models import ApiKey, Erasure, SentMail, StaffAction, User, WaitingMail

API_ACCESS = "api_access"
ERASURE_LOOKED_AFTER = timedelta(days=4)  # Stripe goes on sending webhooks for three


@dataclass(frozen=True)
class Entitlements:
    """What a user's plan is called and what it allows."""

    plan: str
    features: tuple[str, ...]


def has_verified_email(user: User) -> bool:
    """Tell whether the address that the user logs in with has been confirmed."""
    return EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()


def with_verified_email() -> QuerySet[User]:
    """Return everybody who has confirmed the address that they log in with."""
    confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), email__iexact=OuterRef("email"), verified=True)
    return User.objects.filter(Exists(confirmed))


def count_second_factors(user: User) -> int:
    """Return by how many means beside the password the user signs in; recovery codes count as one."""
    return Authenticator.objects.filter(user=user).count()


def get_entitlements(*, user: User, now: datetime) -> Entitlements:
    """Return the user's plan and its features.

    Plans belong to an app that the ground must not import: the settings PLAN_STATE and PLAN name its two selectors,
    `(account_id, now)` to something with `.plan`, and a plan's slug to something with `.features`.
    """
    state = import_string(settings.PLAN_STATE)(account_id=user.id, now=now)
    plan = import_string(settings.PLAN)(state.plan)
    return Entitlements(plan=plan.slug, features=tuple(plan.features))


def has_api_access(*, user: User, now: datetime) -> bool:
    """Tell whether the user's plan lets programs of theirs call the API."""
    return API_ACCESS in get_entitlements(user=user, now=now).features


def list_user_keys(*, user: User) -> QuerySet[ApiKey]:
    """Return the user's keys that are not revoked, newest first; expired ones are among them."""
    return ApiKey.objects.filter(user=user, revoked_at=None).order_by("-created_at", "-id")


def list_service_keys() -> QuerySet[ApiKey]:
    """Return every service key, revoked ones too, newest first."""
    return ApiKey.objects.filter(user=None).order_by("-created_at", "-id")


def list_ending_keys(*, within: timedelta, now: datetime) -> QuerySet[ApiKey]:
    """Return the living keys that end within a time, those first that end first; not those made for so short a time."""
    living = ApiKey.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + within)
    return living.filter(created_at__lt=F("expires_at") - within).select_related("user").order_by("expires_at", "pk")


def find_key(*, prefix: str) -> ApiKey | None:
    """Return the key of a prefix, whatever its state, or None.

    A worker calls a thousand times a second, and composing this statement costs the ORM three times what Postgres takes
    to answer it. So it is composed once.
    """
    columns = [field.attname for field in ApiKey._meta.concrete_fields]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM users_apikey WHERE prefix = %s", [prefix])  # noqa: S608
        row = cursor.fetchone()
    return ApiKey.from_db(connection.alias, columns, row) if row else None


def find_service_key(*, prefix_or_name: str) -> ApiKey | None:
    """Return the service key that an operator names: by its prefix, or by its name while only one live key has it."""
    matching = list(list_service_keys().filter(Q(prefix=prefix_or_name) | Q(name=prefix_or_name, revoked_at=None))[:2])
    return matching[0] if len(matching) == 1 else None


def key_state(*, key: ApiKey, now: datetime) -> str:
    """Return whether a key is live, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "live"


# --- Erasure ------------------------------------------------------------------------------------------------------


def is_erased(*, user_id: UUID | None) -> bool:
    """Tell whether a person has asked to be forgotten."""
    return user_id is not None and Erasure.objects.filter(pk=user_id).exists()


def list_erasures_to_look_after(*, now: datetime) -> QuerySet[User]:
    """Return people whose erasure is not finished, or so young that others may still tell us of them."""
    young = Q(erasure__requested_at__gt=now - ERASURE_LOOKED_AFTER)
    return User.objects.filter(Q(erasure__isnull=False, erasure__finished_at=None) | young).order_by("pk")


# --- What the back-office reads -----------------------------------------------------------------------------------

PEOPLE_MATCHED = 100


def find_people(*, term: str) -> list[User]:
    """Return the people whom a term means, at most 100: by the start of an e-mail address, or of the words of a name.

    A whole address means one person alone.
    """
    start = term.lower()
    found = list(User.objects.filter(email__startswith=start).order_by("email")[:PEOPLE_MATCHED])
    if exact := [user for user in found if user.email == start]:
        return exact
    words = re.findall(r"\w+", start)
    if words and len(found) < PEOPLE_MATCHED:
        names = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
        by_name = User.objects.annotate(words=SearchVector("name", config="simple")).filter(words=names)
        # Put in order here: in order of e-mail the database would look for a rare name among everybody.
        others = by_name.exclude(pk__in=[user.pk for user in found])[:PEOPLE_MATCHED]
        found += sorted(others, key=lambda user: user.email)
    return found[:PEOPLE_MATCHED]


def find_people_of_key(*, text: str) -> list[ApiKey]:
    """Return the people's API keys, revoked ones too, whose prefix begins so; or the one whose whole text it is."""
    prefix = keys.prefix_of(text) or text
    if not re.fullmatch(r"[A-Za-z0-9_]{4,20}", prefix):
        return []
    return list(ApiKey.objects.filter(prefix__startswith=prefix, user__isnull=False)[:PEOPLE_MATCHED])


def list_all_keys(*, user: User, limit: int) -> list[ApiKey]:
    """Return a person's keys, revoked and expired ones too, newest first."""
    return list(ApiKey.objects.filter(user=user).order_by("-created_at", "-id")[:limit])


def list_devices(*, user: User, now: datetime, limit: int) -> list[UserSession]:
    """Return where the user is signed in, what was used last first; what a changed password shut out is not among them.

    Two queries for any number, where allauth's own list makes three for each device.
    """
    devices = list_sessions(user=user, limit=limit)
    sessions = Session.objects.filter(session_key__in=[one.session_key for one in devices], expire_date__gt=now)
    hash_now = user.get_session_auth_hash()
    living = {one.session_key for one in sessions if one.get_decoded().get(HASH_SESSION_KEY) == hash_now}
    return [one for one in devices if one.session_key in living]


def list_sessions(*, user: User, limit: int) -> list[UserSession]:
    """Return where a person is signed in, last seen first."""
    return list(UserSession.objects.filter(user=user).order_by("-last_seen_at", "-pk")[:limit])


def list_staff_actions(*, user: User, until: datetime, limit: int) -> list[StaffAction]:
    """Return what staff did to a person until a moment, newest first."""
    done = StaffAction.objects.filter(whom=user, created_at__lte=until).select_related("actor")
    return list(done.order_by("-created_at", "-pk")[:limit])


def count_people_without_mail(*, written_before: datetime) -> int:
    """Return to how many people mail still waits that was written before a moment."""
    return WaitingMail.objects.filter(written_at__lt=written_before).values("sent__user").distinct().count()


def mail_state(mail: SentMail) -> str:
    """Return whether a mail has left, in a word or three. Read it with `select_related("waiting")`."""
    if mail.given_up_at is not None:
        return "no: the mail server refused it"
    return "not yet: the mail server has not taken it" if hasattr(mail, "waiting") else "yes"


def list_mails(*, user: User, until: datetime, limit: int) -> list[SentMail]:
    """Return the mails that a person was sent until a moment, newest first."""
    mails = SentMail.objects.filter(user=user, sent_at__lte=until).select_related("waiting")
    return list(mails.order_by("-sent_at", "-pk")[:limit])
