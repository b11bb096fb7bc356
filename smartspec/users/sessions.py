"""The desktop app's session: a Django session whose key is the bearer token, so that ending it ends it at once."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from allauth.core.internal.sessionkit import get_session_user
from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from smartspec import clock
from smartspec.users.models import User

TOKEN_PATTERN = re.compile(r"[a-z0-9]{32}", re.ASCII)
SEEN_EVERY = timedelta(minutes=5)
REMEMBERED_SESSIONS = 10_000
_seen: dict[str, datetime] = {}


def read_token(request: HttpRequest) -> str | None:
    """Return the session token of a request (`Authorization: Bearer` or `X-Session-Token`), or None without one.

    A header that carries something else than a token is returned as it is: no session answers to it.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("X-Session-Token")


def find_session(token: str) -> SessionBase | None:
    """Return the live session of a token, or None: it never was, has expired, or was ended."""
    if not TOKEN_PATTERN.fullmatch(token):
        return None
    session: SessionBase | None = sessionkit.lookup_session(token)
    if session is not None:
        sign_anew(session)
    return session


def find_user(session: SessionBase) -> User | None:
    """Return who a session belongs to; None once the password changed or the user was deactivated."""
    user: User | None = get_session_user(session)
    return user


def sign_anew(session: SessionBase) -> None:
    """Let a session that began under one of SECRET_KEY_FALLBACKS go on under SECRET_KEY, by the same token.

    Django does so as well, and gives the session another token, of which the desktop app would never hear.
    """
    user_id, signed = session.get(SESSION_KEY), session.get(HASH_SESSION_KEY)
    if not settings.SECRET_KEY_FALLBACKS or user_id is None or signed is None:
        return
    user = User.objects.filter(pk=user_id).first()
    if user and any(constant_time_compare(signed, former) for former in user.get_session_auth_fallback_hash()):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()


def note_seen(token: str, *, now: datetime) -> None:
    """Move a session's end and its last-seen time forward, at most every SEEN_EVERY for each process.

    A device that is used stays signed in; one that is not is signed out after SESSION_COOKIE_AGE.
    """
    seen = _seen.get(token)
    if seen is not None and abs(now - seen) < SEEN_EVERY:
        return
    if len(_seen) >= REMEMBERED_SESSIONS:
        _seen.clear()
    _seen[token] = now
    Session.objects.filter(session_key=token).update(expire_date=now + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    UserSession.objects.filter(session_key=token).update(last_seen_at=now)


class BrowserSessionMiddleware:
    """Does for a browser's session what authentication does for the desktop's: logs name the user, and use is noted.

    In place of allauth's own middleware, which writes with every page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.session_key:
            sign_anew(request.session)  # before anybody asks who this is
        if request.session.session_key and request.user.is_authenticated:
            structlog.contextvars.bind_contextvars(user_id=str(request.user.pk))
            note_seen(request.session.session_key, now=clock.now())
        return self.get_response(request)


class TokenStrategy(SessionTokenStrategy):
    """allauth's endpoints take the token from the same two headers as all others."""

    def get_session_token(self, request: HttpRequest) -> str | None:
        return read_token(request)

    def lookup_session(self, session_token: str) -> SessionBase | None:
        return find_session(session_token)
