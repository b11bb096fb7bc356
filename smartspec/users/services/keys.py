"""API keys: those of services of ours, and people's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from smartspec import mail
from smartspec.errors import DomainError
from smartspec.users import keys, selectors
from smartspec.users.models import ApiKey, User

KEYS_PER_USER = 20
USE_NOTED_EVERY = timedelta(minutes=1)
WARNED_BEFORE = timedelta(days=7)


class FeatureNotInPlan(DomainError):
    code = "feature_not_in_plan"
    status = 403
    title = "Not in your plan"


class TooManyKeys(DomainError):
    code = "too_many_keys"
    status = 409
    title = "Too many API keys"


class UnknownKey(DomainError):
    code = "not_found"
    status = 404
    title = "Not Found"


class InvalidKey(DomainError):
    """The key is not one of ours, was revoked, or has expired."""

    code = "invalid_api_key"
    status = 401
    title = "Invalid API key"


@dataclass(frozen=True)
class IssuedKey:
    """A key and its secret, which is shown now and never again."""

    key: ApiKey
    secret: str


def create_service_key(
    *, name: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
) -> IssuedKey:
    """This will make a key for a service of ours, such as a generation worker. `scopes` are of keys.SERVICE_SCOPES."""
    return _create_key(kind=keys.SERVICE_KIND, user=None, name=name, scopes=scopes, now=now, expires_at=expires_at)


def create_user_key(
    *, user: User, name: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
) -> IssuedKey:
    """This will make a key with which a user's own programs read, or upload, the user's own data.

    `scopes` are of keys.USER_SCOPES.

    :raises FeatureNotInPlan: the user's plan has no `api_access`.
    :raises TooManyKeys: the user has KEYS_PER_USER keys already.
    """
    require_api_access(user=user, now=now)
    with transaction.atomic():
        # The user's row is the lock, so that two clicks cannot pass the limit together.
        User.objects.select_for_update().get(pk=user.pk)
        if selectors.list_user_keys(user=user).count() >= KEYS_PER_USER:
            raise TooManyKeys(f"You have {KEYS_PER_USER} API keys. Delete one to make another.", limit=KEYS_PER_USER)
        return _create_key(kind=keys.USER_KIND, user=user, name=name, scopes=scopes, now=now, expires_at=expires_at)


def _create_key(
    *, kind: str, user: User | None, name: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None
) -> IssuedKey:
    new = keys.make_key(kind)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=new.prefix,
        digest=new.digest,
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=expires_at,
    )
    return IssuedKey(key=key, secret=new.text)


def revoke_user_key(*, user: User, key_id: UUID, now: datetime) -> None:
    """This will end a user's own key for good.

    :raises UnknownKey: the user has no such key, or has revoked it.
    """
    if not ApiKey.objects.filter(pk=key_id, user=user, revoked_at=None).update(revoked_at=now):
        raise UnknownKey("You have no such API key.")


def revoke_service_key(*, prefix_or_name: str, now: datetime) -> ApiKey:
    """This will end a service's key for good. Revoking it again changes nothing. A whole key is taken for its prefix.

    :raises UnknownKey: no service key, or more than one live key, goes by that name.
    """
    prefix_or_name = keys.without_secret(prefix_or_name)
    key = selectors.find_service_key(prefix_or_name=prefix_or_name)
    if key is None:
        raise UnknownKey(f"No single service key is called {prefix_or_name}. Name it by its prefix.")
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db()
    return key


def use_key(*, text: str, now: datetime) -> ApiKey:
    """This will check a key that somebody calls with, and note when it was used, to the minute.

    :raises InvalidKey: unknown, revoked, expired, or its user was deactivated.
    :raises FeatureNotInPlan: it is a user's own key and their plan no longer has `api_access`.
    """
    prefix = keys.prefix_of(text)
    key = selectors.find_key(prefix=prefix) if prefix else None
    if key is None or not keys.matches(text, key.digest):
        raise InvalidKey("This API key is not valid.")
    if key.revoked_at is not None:
        raise InvalidKey("This API key has been revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise InvalidKey("This API key has expired.")
    if key.user is not None:
        if not key.user.is_active:
            raise InvalidKey("This API key is not valid.")
        require_api_access(user=key.user, now=now)
    if key.last_used_at is None or key.last_used_at <= now - USE_NOTED_EVERY:
        # Asked again in the statement: of many calls at the turn of a minute one writes.
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return key


def warn_of_ending_keys(*, now: datetime) -> int:
    """This will tell people, once, of each key of theirs that ends within WARNED_BEFORE. Returns how many were told."""
    told = 0
    for key in selectors.list_ending_keys(within=WARNED_BEFORE, now=now):
        if key.user is not None and key.user.is_active:
            context = {"name": key.name, "prefix": key.prefix, "ends_at": key.expires_at}
            told += mail.send_mail_once(
                user=key.user, template="key_ends", cause=f"key:{key.pk}", context=context, now=now
            )
    return told


def require_api_access(*, user: User, now: datetime) -> None:
    """This will let users pass whose plan has `api_access`.

    :raises FeatureNotInPlan: it has not.
    """
    if not selectors.has_api_access(user=user, now=now):
        raise FeatureNotInPlan(
            "Your plan does not include API access. Upgrade to Pro to use API keys.", feature=selectors.API_ACCESS
        )
