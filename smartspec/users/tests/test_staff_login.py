"""Staff come in with a second factor, stay 12 hours, and are not let to guess."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib import admin
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from smartspec.testing import PASSWORD, make_user
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in

pytestmark = pytest.mark.django_db

EMAIL = "agent@smartspec.test"
NEW_PASSWORD = "another horse, another staple"


@pytest.fixture(autouse=True)
def beyond_ones_own_machine(settings: Any) -> None:
    settings.STAFF_TWO_FACTOR = True


@pytest.fixture
def agent(db: None) -> User:
    user: User = make_user(EMAIL, is_staff=True, is_superuser=True)
    return user


def log_in(client: Client, password: str = PASSWORD) -> Any:
    return client.post("/accounts/login/", {"login": EMAIL, "password": password})


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def stand_at(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be a moment for whoever looks at a code."""
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", SimpleNamespace(time=lambda: seconds))


class TestSecondFactor:
    def test_is_made_before_the_back_office_opens(self, client: Client, agent: User) -> None:
        log_in(client)
        answer = client.get("/admin/")
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/totp/activate/")
        page = client.get(answer["Location"], follow=True)
        assert page.status_code == 200

    def test_is_asked_for_at_log_in_and_opens_the_back_office(self, client: Client, agent: User) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        answer = log_in(client)
        assert answer["Location"].startswith("/accounts/2fa/authenticate/")
        assert "/login/" in client.get("/admin/")["Location"]  # the password alone opens nothing
        client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
        assert client.get("/admin/").status_code == 200

    def test_has_recovery_codes_that_open_once_each(self, agent: User) -> None:
        TOTP.activate(agent, generate_totp_secret())
        code, other = RecoveryCodes.activate(agent).get_unused_codes()[:2]
        for typed, status in ((code, 200), (code, 302), (other, 200)):
            browser = Client()
            log_in(browser)
            browser.post("/accounts/2fa/authenticate/", {"code": typed})
            assert browser.get("/admin/").status_code == status
        kept = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
        assert code not in str(kept.data)

    def test_that_is_wrong_opens_nothing(self, client: Client, agent: User) -> None:
        TOTP.activate(agent, generate_totp_secret())
        log_in(client)
        assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
        assert client.get("/admin/").status_code == 302

    @pytest.mark.parametrize("seconds", [0, 31, 59])
    def test_is_a_code_that_serves_once_for_as_long_as_it_is_taken(
        self,
        client: Client,
        agent: User,
        monkeypatch: pytest.MonkeyPatch,
        mailoutbox: list[Any],
        caplog: pytest.LogCaptureFixture,
        seconds: int,
    ) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        began = int(time.time()) // 30 * 30  # a code's half minute begins, so that it is taken for another whole minute
        code = str(format_hotp_value(hotp_value(secret, began // 30)))
        stand_at(began, monkeypatch)
        log_in(client)
        client.post("/accounts/2fa/authenticate/", {"code": code})
        assert client.get("/admin/").status_code == 200

        stand_at(began + seconds, monkeypatch)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE cache SET expires = expires - %s * interval '1 second'", [seconds])
        thief = Client()
        log_in(thief)
        answer = thief.post("/accounts/2fa/authenticate/", {"code": code})
        assert b"Incorrect code" in answer.content
        assert [message.subject for message in mailoutbox] == ["A code of your authenticator app was used twice"]
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        assert [line["user_id"] for line in lines if line["event"] == "Second factor used again"] == [str(agent.pk)]
        assert thief.get("/admin/").status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_is_told_of_by_mail_when_it_is_made_and_when_it_goes(
        self, client: Client, agent: User, mailoutbox: list[Any]
    ) -> None:
        log_in(client)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        client.get("/accounts/2fa/totp/activate/")
        client.post("/accounts/2fa/totp/activate/", {"code": code_of(client.session["mfa.totp.secret"])})
        client.post("/accounts/2fa/totp/deactivate/")
        told = [message.subject for message in mailoutbox]
        assert told == ["Authenticator App Activated", "Authenticator App Deactivated"]

    def test_is_shown_in_sessions_that_are_older_than_it(self, client: Client, agent: User) -> None:
        log_in(client)
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        step = client.get("/admin/billing/purchase/")["Location"]
        assert step == "/accounts/2fa/reauthenticate/?next=/admin/billing/purchase/"
        answer = client.post(step, {"code": code_of(secret)})
        assert answer["Location"] == "/admin/billing/purchase/"
        assert client.get("/admin/billing/purchase/").status_code == 200

    def test_is_kept_encrypted(self, agent: User) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        assert secret not in str(Authenticator.objects.get().data)
        assert Authenticator not in admin.site._registry

    def test_is_not_asked_of_customers_or_on_ones_own_machine(
        self, client: Client, agent: User, alice: User, settings: Any
    ) -> None:
        client.force_login(alice)
        assert client.get("/account/buy").status_code == 200
        settings.STAFF_TWO_FACTOR = False
        other = Client()
        log_in(other)
        assert other.get("/admin/").status_code == 200


class TestEveryOtherWayIn:
    """The app's endpoints and a forgotten password lead to the same second factor as the page does."""

    def test_asks_for_the_second_factor_in_the_app(self, agent: User) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        answer = APIClient().post(f"{AUTH}/auth/login", {"email": EMAIL, "password": PASSWORD})
        app = client_with(answer.json()["meta"]["session_token"])
        assert (answer.status_code, app.get("/api/me").status_code) == (401, 401)
        assert "mfa_authenticate" in [flow["id"] for flow in answer.json()["data"]["flows"]]
        done = app.post(f"{AUTH}/auth/2fa/authenticate", {"code": code_of(secret)})
        assert client_with(done.json()["meta"]["session_token"]).get("/api/me").status_code == 200

    def test_asks_for_it_after_a_forgotten_password(self, agent: User, mailoutbox: list[Any]) -> None:
        TOTP.activate(agent, generate_totp_secret())
        asked = APIClient().post(f"{AUTH}/auth/password/request", {"email": EMAIL})
        flow = client_with(asked.json()["meta"]["session_token"])
        flow.post(f"{AUTH}/auth/password/reset", {"key": code_in(mailoutbox[0]), "password": NEW_PASSWORD})
        assert flow.get("/api/me").status_code == 401
        browser = Client()
        assert log_in(browser, NEW_PASSWORD)["Location"].startswith("/accounts/2fa/authenticate/")
        assert browser.get("/account").status_code == 302


class TestStaffSessions:
    def test_end_after_twelve_hours(self, client: Client, agent: User, settings: Any) -> None:
        settings.STAFF_TWO_FACTOR = False
        log_in(client)
        assert client.get("/admin/").status_code == 200
        session = client.session
        session["staff_since"] -= 12 * 3600
        session.save()
        answer = client.get("/admin/billing/purchase/")
        assert answer["Location"] == "/accounts/login/?next=/admin/billing/purchase/"
        assert client.get("/admin/").status_code == 302


class TestGuessing:
    def test_is_stopped_after_a_few_passwords(self, client: Client, agent: User) -> None:
        for _ in range(10):
            answer = log_in(client, "wrong")
        assert b"Too many failed login attempts" in answer.content
        log_in(client)
        assert client.get("/admin/").status_code == 302

    def test_of_the_second_factor_is_stopped_as_well(self, client: Client, agent: User) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        log_in(client)
        for number in range(10):
            answer = client.post("/accounts/2fa/authenticate/", {"code": f"{number:06}"})
        assert b"Too many failed login attempts" in answer.content
        client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})  # too late, though it is right
        assert client.get("/admin/").status_code == 302
