"""Keys are rolled, and nobody is thrown out: Django's key, what hangs on it, and keys of services."""

import time
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.testing import PASSWORD, make_user
from smartspec.users import services
from smartspec.users.models import StaffReason, User
from smartspec.users.services.desk import VERIFICATION_SALT
from smartspec.users.tests.conftest import client_with, log_in

pytestmark = pytest.mark.django_db

OLD, NEW = "old-" * 20, "new-" * 20


@pytest.fixture(autouse=True)
def under_the_old_key(settings: Any) -> None:
    settings.SECRET_KEY = OLD


@pytest.fixture
def roll(settings: Any) -> Any:
    """Return a function that puts the new key in the old one's place, which is kept as a fallback, or is not."""

    def put_new_key(*, fallback: bool = True) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD] if fallback else []

    return put_new_key


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


class TestDesktopSession:
    def test_lives_on_by_the_same_token(self, alice: User, roll: Any) -> None:
        token = log_in(alice.email, PASSWORD)
        roll()
        for path in ("/api/me", "/api/me", "/api/auth/app/v1/auth/session"):
            answer = client_with(token).get(path)
            assert answer.status_code == 200, path
        assert UserSession.objects.get().session_key == token

    def test_that_was_used_meanwhile_outlives_the_old_key(self, alice: User, roll: Any) -> None:
        token = log_in(alice.email, PASSWORD)
        roll()
        assert client_with(token).get("/api/me").status_code == 200
        roll(fallback=False)
        assert client_with(token).get("/api/me").status_code == 200

    def test_that_was_not_used_ends_with_the_old_key(self, alice: User, roll: Any) -> None:
        token = log_in(alice.email, PASSWORD)
        roll()
        roll(fallback=False)
        answer = client_with(token).get("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")

    def test_of_nobody_is_of_no_interest(self, client: Client, roll: Any) -> None:
        client.get("/accounts/login/")
        session = client.session
        session["language"] = "th"
        session.save()
        roll()
        assert client.get("/accounts/login/").status_code == 200

    def test_of_another_password_is_not_revived(self, alice: User, roll: Any) -> None:
        token = log_in(alice.email, PASSWORD)
        alice.set_password("another correct horse battery")
        alice.save()
        roll()
        assert client_with(token).get("/api/me").status_code == 401


class TestBrowserSession:
    def test_lives_on_as_the_same_device(self, alice: User, client: Client, roll: Any) -> None:
        client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        device = UserSession.objects.get().session_key
        roll()
        assert client.get("/api/docs").status_code == 200
        assert client.get("/accounts/email/").status_code == 200
        assert client.session.session_key == device == UserSession.objects.get().session_key
        roll(fallback=False)
        assert client.get("/accounts/email/").status_code == 200


class TestSignedLink:
    def test_of_a_mail_works_while_the_old_key_is_kept(self, alice: User, roll: Any) -> None:
        EmailAddress.objects.update(verified=False)
        address = EmailAddress.objects.get(user=alice)
        link = signing.dumps([address.pk, address.email], salt=VERIFICATION_SALT)
        reset = default_token_generator.make_token(alice)
        roll()
        assert services.read_verification(token=link) == address
        assert default_token_generator.check_token(alice, reset)
        roll(fallback=False)
        with pytest.raises(services.LinkUsedUp):
            services.read_verification(token=link)
        assert not default_token_generator.check_token(alice, reset)


class TestSecondFactor:
    @pytest.fixture
    def agent(self, settings: Any) -> User:
        settings.STAFF_TWO_FACTOR = True
        user: User = make_user("agent@smartspec.test", is_staff=True, is_superuser=True)
        return user

    def enter(self, agent: User, code: str) -> bool:
        client = Client()
        client.post("/accounts/login/", {"login": agent.email, "password": PASSWORD})
        answer = client.post("/accounts/2fa/authenticate/", {"code": code})
        assert answer.status_code in (200, 302)
        return client.get("/admin/").status_code == 200

    def test_is_read_while_the_old_key_is_kept(self, agent: User, roll: Any) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        roll()
        assert self.enter(agent, code_of(secret))

    def test_that_was_encrypted_anew_outlives_the_old_key(self, agent: User, roll: Any) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        codes = RecoveryCodes.activate(agent).get_unused_codes()
        roll()
        said = StringIO()
        call_command("reencrypt_second_factors", stdout=said)
        assert said.getvalue() == "2 second factors are encrypted under the present key.\n"
        roll(fallback=False)
        assert self.enter(agent, code_of(secret))
        assert self.enter(agent, codes[0])
        assert not self.enter(agent, codes[0])

    def test_that_no_key_reads_lets_nobody_in_and_is_named(self, agent: User, roll: Any) -> None:
        secret = generate_totp_secret()
        TOTP.activate(agent, secret)
        roll(fallback=False)
        assert not self.enter(agent, code_of(secret))
        assert not self.enter(agent, code_of(""))
        said = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("reencrypt_second_factors", stdout=said)
        assert ended.value.code == 1
        assert "cannot be read: totp of agent@smartspec.test" in said.getvalue()

    def test_that_no_key_reads_is_removed_and_made_anew(self, agent: User, roll: Any) -> None:
        TOTP.activate(agent, generate_totp_secret())
        roll(fallback=False)
        other = make_user("other@smartspec.test", is_staff=True, is_superuser=True)
        staff = services.Staff(user=other, reason=StaffReason.OTHER, note="The key was lost.")
        assert services.remove_second_factor_by_staff(staff=staff, user=agent, now=clock.now()) == 1
        assert not Authenticator.objects.exists()
        client = Client()
        client.post("/accounts/login/", {"login": agent.email, "password": PASSWORD})
        assert client.get("/admin/")["Location"] == "/accounts/2fa/totp/activate/"


class TestServiceKey:
    def test_is_rolled_by_two_that_live_side_by_side(self) -> None:
        old, new = (self.make(name) for name in ("worker-1", "worker-2"))
        for key in (old, new):
            assert self.call(key) == 404  # whoever calls is known; such a user is not
        call_command("revoke_service_key", "worker-1", stdout=StringIO())
        assert (self.call(old), self.call(new)) == (401, 404)

    def make(self, name: str) -> str:
        said = StringIO()
        call_command("create_service_key", "--name", name, "--scopes", "credits:spend", stdout=said)
        return said.getvalue().strip()

    def call(self, key: str) -> int:
        body = {
            "user_id": "0199d0a0-0000-7000-8000-000000000000",
            "operation": "image_generation",
            "reference_id": "job-1",
        }
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
        return int(client.post("/api/credits/holds", body, headers={"Idempotency-Key": "key-1"}).status_code)
