"""Who is calling: a person's desktop session, a service's key, or a person's own key."""

from dataclasses import dataclass
from typing import ClassVar

import structlog
from django.contrib.sessions.backends.base import SessionBase
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from smartspec import clock
from smartspec.users import services, sessions, throttling
from smartspec.users.models import ApiKey, User

# Both ways in, in the answer to whoever came in by neither.
CHALLENGE = 'Bearer realm="api", Api-Key realm="api"'


@dataclass(frozen=True)
class ServicePrincipal:
    """The caller behind a service key: nobody's account, allowed what the key's scopes say."""

    name: str
    id: None = None
    pk: None = None
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False
    is_service: ClassVar[bool] = True

    def __str__(self) -> str:
        return self.name


class BearerSessionAuthentication(BaseAuthentication):
    """`Authorization: Bearer <session token>`, or `X-Session-Token`. `request.auth` is the session."""

    def authenticate(self, request: Request) -> tuple[User, SessionBase] | None:
        token = sessions.read_token(request)
        if token is None:
            return None
        session = sessions.find_session(token)
        user = sessions.find_user(session) if session is not None else None
        if session is None or user is None:
            raise refusal(request, "Your session has ended. Please log in again.", "session_ended")
        sessions.note_seen(token, now=clock.now())
        structlog.contextvars.bind_contextvars(user_id=str(user.pk))
        return user, session

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class ServiceKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <key>`. `request.auth` is the key; `request.user` its user, or a ServicePrincipal."""

    def authenticate(self, request: Request) -> tuple[User | ServicePrincipal, ApiKey] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "api-key":
            return None
        try:
            key = services.use_key(text=text.strip(), now=clock.now())
        except services.InvalidKey as error:
            raise refusal(request, error.detail, error.code) from error
        structlog.contextvars.bind_contextvars(api_key=key.prefix)
        if key.user is None:
            return ServicePrincipal(name=key.name), key
        structlog.contextvars.bind_contextvars(user_id=str(key.user_id))
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def refusal(request: Request, detail: str, code: str) -> exceptions.APIException:
    """Return the error for bad credentials: 401, or 429 for an address that keeps sending them."""
    seconds = throttling.count_refused_credentials(request)
    return exceptions.AuthenticationFailed(detail, code) if seconds is None else exceptions.Throttled(seconds)
