"""How long a device stays signed in."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session

from smartspec import clock
from smartspec.testing import PASSWORD
from smartspec.users import sessions
from smartspec.users.models import User
from smartspec.users.tests.conftest import client_with, log_in

pytestmark = pytest.mark.django_db


class TestToken:
    def test_is_32_letters_and_digits_by_chance(self, alice: User) -> None:
        tokens = {log_in(alice.email, PASSWORD) for _ in range(20)}
        assert len(tokens) == 20
        assert all(sessions.TOKEN_PATTERN.fullmatch(token) for token in tokens)
        assert len(set("".join(tokens))) > 30  # of 36: more than five bits each


class TestUse:
    def test_moves_the_end_of_the_session_and_is_not_written_with_every_call(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        soon = clock.now() + timedelta(hours=1)
        Session.objects.filter(session_key=token).update(expire_date=soon)
        UserSession.objects.update(last_seen_at=soon - timedelta(days=3))

        assert client_with(token).get("/api/me").status_code == 200
        later = Session.objects.get(session_key=token).expire_date
        assert later > soon + timedelta(seconds=settings.SESSION_COOKIE_AGE - 86_400)
        assert UserSession.objects.get().last_seen_at > soon - timedelta(hours=2)

        Session.objects.filter(session_key=token).update(expire_date=soon)
        assert client_with(token).get("/api/me").status_code == 200
        assert Session.objects.get(session_key=token).expire_date == soon

    def test_is_noted_by_the_clock_that_ends_the_session(self, alice: User) -> None:
        token, now = log_in(alice.email, PASSWORD), clock.now()
        for day in (1, 40):
            sessions.note_seen(token, now=now + timedelta(days=day))
            assert UserSession.objects.get().last_seen_at == now + timedelta(days=day)

    def test_never_revives_what_has_expired(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        Session.objects.filter(session_key=token).update(expire_date=clock.now())
        assert client_with(token).get("/api/me").status_code == 401

    def test_remembers_a_bounded_number_of_sessions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "REMEMBERED_SESSIONS", 3)
        for number in range(10):
            sessions.note_seen(f"{number:032}", now=clock.now())
        assert len(sessions._seen) <= 3
