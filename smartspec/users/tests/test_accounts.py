"""Sign-up, log-in, devices and passwords, as the desktop app calls them."""

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.mail import hand_over_waiting
from smartspec.testing import PASSWORD, SetClock, make_user
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in, log_in
from smartspec.users.tests.hashers import CountingHasher

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "another horse, another staple"


def sign_up(**changes: str) -> Any:
    person = {"email": "Carol@SmartSpec.test", "password": PASSWORD, "name": "Carol"}
    return APIClient().post(f"{AUTH}/auth/signup", person | changes)


class TestSignUp:
    def test_lets_in_at_once_and_verifies_by_the_code_in_the_mail(self, mailoutbox: list[Any]) -> None:
        carol = client_with(sign_up().json()["meta"]["session_token"])
        assert mailoutbox[0].subject == "Your SmartSpec Pro code: confirm your e-mail address"
        before = carol.get("/api/me").json()
        assert (before["email"], before["name"], before["email_verified"]) == ("carol@smartspec.test", "Carol", False)

        answer = carol.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])})
        assert answer.status_code == 200
        assert carol.get("/api/me").json()["email_verified"] is True

    def test_happens_by_the_product_s_clock(self, set_clock: SetClock) -> None:
        moment = clock.now() + timedelta(days=400)
        set_clock(moment)
        sign_up()
        assert moment <= User.objects.get().created_at < moment + timedelta(hours=1)

    def test_a_wrong_code_is_refused_and_the_third_ends_the_trial(self, mailoutbox: list[Any]) -> None:
        carol = client_with(sign_up().json()["meta"]["session_token"])
        for _ in range(3):
            answer = carol.post(f"{AUTH}/auth/email/verify", {"key": "AAAA-AAAA"})
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "incorrect_code")
        assert carol.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])}).status_code == 409
        assert carol.get("/api/me").json()["email_verified"] is False

    def test_another_code_can_be_asked_for_after_a_log_in(self, mailoutbox: list[Any]) -> None:
        sign_up()
        cache.clear()  # allauth sends one code in ten seconds; those have passed
        carol = client_with(log_in("carol@smartspec.test", PASSWORD))
        answer = carol.put(f"{AUTH}/account/email", {"email": "carol@smartspec.test"})
        assert answer.status_code == 200
        assert carol.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[1])}).status_code == 200
        assert carol.get("/api/me").json()["email_verified"] is True

    @pytest.mark.parametrize(
        "name", ["Carol\n\nYou won: https://evil.example", "Ca\u2028rol", "Ca\x1brol", "Ca\u202erol"]
    )
    def test_a_name_is_one_line(self, name: str) -> None:
        answer = sign_up(name=name)
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "name")
        on_the_page = {"email": "carol@smartspec.test", "password1": PASSWORD, "name": name}
        assert "control characters" in Client().post("/accounts/signup/", on_the_page).content.decode()
        assert not User.objects.exists()

    def test_a_name_has_accents_and_more_than_one_alphabet(self) -> None:
        token = sign_up(name="Zoë สมศรี O\u2019Brien-Łuk").json()["meta"]["session_token"]
        assert client_with(token).get("/api/me").json()["name"] == "Zoë สมศรี O\u2019Brien-Łuk"

    def test_an_address_that_is_taken_is_refused_whatever_its_case(self, alice: User) -> None:
        answer = sign_up(email="ALICE@smartspec.test")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert answer.json()["errors"][0] | {"message": ""} == {
            "code": "email_taken",
            "detail": "A user is already registered with this email address.",
            "attr": "email",
            "param": "email",
            "message": "",
        }

    @pytest.mark.parametrize("password", ["short", "password123456", ""])
    def test_a_weak_password_is_refused_by_name_of_the_field(self, password: str) -> None:
        answer = sign_up(password=password)
        assert answer.status_code == 400
        assert {error["attr"] for error in answer.json()["errors"]} == {"password"}
        assert not User.objects.exists()


class TestLogIn:
    def test_each_device_has_a_token_of_its_own_and_an_ended_one_is_refused_at_once(self, alice: User) -> None:
        laptop, desktop = log_in(alice.email, PASSWORD), log_in(alice.email, PASSWORD)
        assert laptop != desktop
        devices = client_with(desktop).get(f"{AUTH}/auth/sessions").json()["data"]
        other = next(device for device in devices if not device["is_current"])
        assert len(devices) == 2
        assert "last_seen_at" in other

        answer = client_with(desktop).delete(f"{AUTH}/auth/sessions", {"sessions": [other["id"]]})
        assert [device["is_current"] for device in answer.json()["data"]] == [True]
        refused = client_with(laptop).get("/api/me")
        assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
        assert client_with(desktop).get("/api/me").status_code == 200

    def test_logging_out_ends_the_token(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        assert client_with(token).delete(f"{AUTH}/auth/session").status_code == 401
        assert client_with(token).get("/api/me").status_code == 401
        assert client_with(token).get(f"{AUTH}/auth/session").status_code == 410

    def test_the_token_is_taken_from_either_header(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        by_name = APIClient(HTTP_X_SESSION_TOKEN=token)
        for client in (client_with(token), by_name):
            assert client.get("/api/me").status_code == 200
            assert client.get(f"{AUTH}/auth/session").json()["data"]["user"]["email"] == alice.email

    def test_an_unknown_address_and_a_wrong_password_are_the_same_answer_for_the_same_work(
        self, alice: User, settings: Any
    ) -> None:
        settings.PASSWORD_HASHERS = ["smartspec.users.tests.hashers.CountingHasher"]
        alice.set_password(PASSWORD)
        alice.save()
        answers, hashes = [], []
        for email in (alice.email, "nobody@smartspec.test"):
            CountingHasher.count = 0
            answer = APIClient().post(f"{AUTH}/auth/login", {"email": email, "password": "wrong"})
            answers.append((answer.status_code, answer.content, answer["Content-Type"]))
            hashes.append(CountingHasher.count)
        assert answers[0] == answers[1]
        assert answers[0][0] == 400
        assert hashes == [1, 1]

    def test_too_many_wrong_passwords_wait_even_with_the_right_one(self, alice: User) -> None:
        for _ in range(5):
            APIClient().post(f"{AUTH}/auth/login", {"email": alice.email, "password": "wrong"})
        answer = APIClient().post(f"{AUTH}/auth/login", {"email": alice.email, "password": PASSWORD})
        assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
        assert int(answer["Retry-After"]) > 0
        assert answer.json()["code"] == "throttled"

    def test_somebody_deactivated_is_out_at_once(self, alice: User) -> None:
        token = log_in(alice.email, PASSWORD)
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert client_with(token).get("/api/me").status_code == 401


class TestAnotherAddress:
    def test_is_asked_for_by_somebody(self, worker_client: APIClient) -> None:
        for client in (APIClient(), worker_client, client_with("0" * 32)):
            answer = client.post(f"{AUTH}/account/email", {"email": "new@smartspec.test"})
            assert (answer.status_code, answer["Content-Type"]) in (
                (401, "application/problem+json"),
                (410, "application/problem+json"),  # a session that has ended
            )
            assert answer.status_code == 410 or "WWW-Authenticate" in answer

    def test_is_sent_a_code(self, alice: User, mailoutbox: list[Any]) -> None:
        client = client_with(log_in(alice.email, PASSWORD))
        assert client.post(f"{AUTH}/account/email", {"email": "new@smartspec.test"}).status_code == 200
        assert mailoutbox[0].to == ["new@smartspec.test"]
        assert client.get(f"{AUTH}/account/email").json()["data"][-1]["email"] == "new@smartspec.test"


class TestWithoutMailServer:
    @pytest.fixture(autouse=True)
    def away(self, settings: Any) -> None:
        settings.EMAIL_BACKEND = "smartspec.tests.test_mail.NoServer"

    def test_a_sign_up_stands_and_a_code_can_be_asked_for_later(self, settings: Any, mailoutbox: list[Any]) -> None:
        carol = client_with(sign_up().json()["meta"]["session_token"])
        assert carol.get("/api/me").json()["email_verified"] is False
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        cache.clear()  # allauth sends one code in ten seconds; those have passed
        carol = client_with(log_in("carol@smartspec.test", PASSWORD))
        carol.put(f"{AUTH}/account/email", {"email": "carol@smartspec.test"})
        assert carol.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])}).status_code == 200

    def test_a_changed_password_is_told_once_there_is_one(
        self, alice_client: APIClient, settings: Any, mailoutbox: list[Any]
    ) -> None:
        passwords = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert alice_client.post(f"{AUTH}/account/password/change", passwords).status_code in (200, 401)
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert hand_over_waiting(now=clock.now()) == 1
        assert [message.to for message in mailoutbox] == [["alice@smartspec.test"]]
        assert "password" in mailoutbox[0].subject.lower()

    @pytest.mark.parametrize("email", ["alice@smartspec.test", "stranger@smartspec.test"])
    def test_whoever_waits_for_a_code_is_told_and_learns_nothing_else(self, alice: User, email: str) -> None:
        answer = APIClient().post(f"{AUTH}/auth/password/request", {"email": email})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        browser = Client(raise_request_exception=False)
        assert browser.post("/accounts/password/reset/", {"email": email}).status_code == 503


class TestPassword:
    def test_is_reset_by_the_code_in_the_mail_and_ends_every_session(self, alice: User, mailoutbox: list[Any]) -> None:
        old_token = log_in(alice.email, PASSWORD)
        answer = APIClient().post(f"{AUTH}/auth/password/request", {"email": alice.email})
        assert answer.status_code == 401  # allauth's way to say: go on with the code
        flow = client_with(answer.json()["meta"]["session_token"])

        wrong = flow.post(f"{AUTH}/auth/password/reset", {"key": "AAAA-AAAA", "password": NEW_PASSWORD})
        assert wrong.status_code == 400
        code = code_in(mailoutbox[0])
        flow.post(f"{AUTH}/auth/password/reset", {"key": code, "password": NEW_PASSWORD})
        assert client_with(old_token).get("/api/me").status_code == 401
        assert log_in(alice.email, NEW_PASSWORD)

    def test_asking_for_a_reset_does_not_tell_who_has_an_account(self, alice: User, mailoutbox: list[Any]) -> None:
        answers = [
            APIClient().post(f"{AUTH}/auth/password/request", {"email": email}).json()
            for email in (alice.email, "nobody@smartspec.test")
        ]
        for answer in answers:
            answer["meta"].pop("session_token")
        assert answers[0] == answers[1]
        assert [message.to for message in mailoutbox] == [[alice.email], ["nobody@smartspec.test"]]

    def test_is_changed_by_whoever_knows_the_old_one(self, alice: User, mailoutbox: list[Any]) -> None:
        token = log_in(alice.email, PASSWORD)
        passwords = {"current_password": "wrong", "new_password": NEW_PASSWORD}
        assert client_with(token).post(f"{AUTH}/account/password/change", passwords).status_code == 400
        assert not mailoutbox
        passwords["current_password"] = PASSWORD
        assert client_with(token).post(f"{AUTH}/account/password/change", passwords).status_code == 200
        assert log_in(alice.email, NEW_PASSWORD)
        assert "Your password has been changed." in mailoutbox[0].body

    def test_is_not_guessed_by_whoever_found_a_session_open(self, alice: User) -> None:
        app = client_with(log_in(alice.email, PASSWORD))
        guess = {"current_password": "wrong", "new_password": NEW_PASSWORD}
        statuses = [app.post(f"{AUTH}/account/password/change", guess).status_code for _ in range(6)]
        assert statuses == [400] * 5 + [429]
        answer = app.post(f"{AUTH}/account/password/change", guess | {"current_password": PASSWORD})
        assert (answer.status_code, answer["Retry-After"]) == (429, "300")

    def test_that_is_changed_ends_every_other_session(self, alice: User) -> None:
        here, elsewhere, browser = log_in(alice.email, PASSWORD), log_in(alice.email, PASSWORD), Client()
        browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        passwords = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        client_with(here).post(f"{AUTH}/account/password/change", passwords)
        assert client_with(elsewhere).get("/api/me").status_code == 401
        assert browser.get("/account").status_code == 302


class TestCodes:
    @pytest.mark.parametrize(("minutes", "status"), [(9, 200), (11, 409)])
    def test_work_for_ten_minutes(
        self, minutes: int, status: int, alice: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        carol = client_with(sign_up().json()["meta"]["session_token"])
        asked = APIClient().post(f"{AUTH}/auth/password/request", {"email": alice.email})
        flow = client_with(asked.json()["meta"]["session_token"])
        assert all("10 minutes" in message.body for message in mailoutbox)
        later = SimpleNamespace(time=lambda: time.time() + 60 * minutes)
        monkeypatch.setattr("allauth.account.internal.flows.code_verification.time", later)
        confirmed = carol.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])})
        assert confirmed.status_code == status
        flow.post(f"{AUTH}/auth/password/reset", {"key": code_in(mailoutbox[1]), "password": NEW_PASSWORD})
        alice.refresh_from_db()
        assert alice.check_password(NEW_PASSWORD) == (status == 200)

    def test_are_of_no_use_to_another_session_or_twice(self, alice: User, mailoutbox: list[Any]) -> None:
        flows = [
            client_with(asked.json()["meta"]["session_token"])
            for asked in (APIClient().post(f"{AUTH}/auth/password/request", {"email": alice.email}) for _ in range(2))
        ]
        body = {"key": code_in(mailoutbox[0]), "password": NEW_PASSWORD}
        flows[1].post(f"{AUTH}/auth/password/reset", body)
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)
        flows[0].post(f"{AUTH}/auth/password/reset", body)
        again = flows[0].post(f"{AUTH}/auth/password/reset", body | {"password": PASSWORD})
        alice.refresh_from_db()
        assert (again.status_code, alice.check_password(NEW_PASSWORD)) == (409, True)


class TestEmailChange:
    def test_takes_effect_when_the_new_address_is_confirmed(self, alice: User, mailoutbox: list[Any]) -> None:
        client = client_with(log_in(alice.email, PASSWORD))
        assert client.post(f"{AUTH}/account/email", {"email": "new@smartspec.test"}).status_code == 200
        assert client.get("/api/me").json()["email"] == "alice@smartspec.test"
        code = code_in(next(message for message in mailoutbox if message.to == ["new@smartspec.test"]))
        assert client.post(f"{AUTH}/auth/email/verify", {"key": code}).status_code == 200
        me = client.get("/api/me").json()
        assert (me["email"], me["email_verified"]) == ("new@smartspec.test", True)
        told = next(message for message in mailoutbox if message.to == ["alice@smartspec.test"])
        assert "new@smartspec.test" in told.body

    def test_after_a_slip_at_sign_up_asks_for_nothing_that_was_just_typed(self, mailoutbox: list[Any]) -> None:
        carol = client_with(sign_up().json()["meta"]["session_token"])
        assert carol.post(f"{AUTH}/account/email", {"email": "carol.right@smartspec.test"}).status_code == 200
        assert mailoutbox[-1].to == ["carol.right@smartspec.test"]

    def test_after_a_slip_at_sign_up_asks_for_nothing_on_a_page(self, mailoutbox: list[Any], client: Client) -> None:
        client.post("/accounts/signup/", {"email": "carol@smartspec.test", "password1": PASSWORD})
        client.post("/accounts/email/", {"action_add": "", "email": "carol.right@smartspec.test"})
        assert mailoutbox[-1].to == ["carol.right@smartspec.test"]

    def test_asks_whoever_found_a_session_open_for_the_password(self, alice: User, mailoutbox: list[Any]) -> None:
        token = log_in(alice.email, PASSWORD)
        client, new = client_with(token), {"email": "thief@smartspec.test"}
        session = SessionStore(session_key=token)
        session["account_authentication_methods"] = [{"method": "password", "at": time.time() - 301}]
        session.save()
        answer = client.post(f"{AUTH}/account/email", new)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert "reauthenticate" in [flow["id"] for flow in answer.json()["data"]["flows"]]
        assert mailoutbox == []
        assert client.post(f"{AUTH}/auth/reauthenticate", {"password": "wrong guess"}).status_code == 400
        assert client.post(f"{AUTH}/auth/reauthenticate", {"password": PASSWORD}).status_code == 200
        assert client.post(f"{AUTH}/account/email", new).status_code == 200

    def test_on_a_page_asks_for_the_password_as_well(self, alice: User, mailoutbox: list[Any], client: Client) -> None:
        client.force_login(alice)
        change = {"action_add": "", "email": "new@smartspec.test"}
        answer = client.post("/accounts/email/", change)
        assert (answer.status_code, urlsplit(answer["Location"]).path) == (302, "/accounts/reauthenticate/")
        assert mailoutbox == []
        done = client.post(answer["Location"], {"password": PASSWORD}, follow=True)
        assert done.status_code == 200
        client.post("/accounts/email/", change)
        assert [message.to for message in mailoutbox] == [["new@smartspec.test"]]

    @pytest.mark.parametrize("is_verified", [True, False])
    def test_never_takes_somebody_elses_address(self, alice: User, is_verified: bool, mailoutbox: list[Any]) -> None:
        make_user("bob@smartspec.test", is_verified=is_verified)
        client = client_with(log_in(alice.email, PASSWORD))
        client.post(f"{AUTH}/account/email", {"email": "bob@smartspec.test"})
        answer = client.post(f"{AUTH}/auth/email/verify", {"key": code_in(mailoutbox[0])})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "email_taken")
        assert client.get("/api/me").json()["email"] == alice.email


class TestErrorsOfAllauth:
    def test_an_anonymous_caller_is_challenged(self) -> None:
        answer = APIClient().get(f"{AUTH}/auth/session")
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["data"]["flows"]  # what allauth's clients read is still there

    @pytest.mark.parametrize("path", ["auth/login", "auth/signup", "auth/password/request"])
    def test_a_wrong_method_is_405(self, path: str) -> None:
        answer = APIClient().put(f"{AUTH}/{path}", {})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert "POST" in answer["Allow"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"null"])
    def test_a_malformed_body_is_400(self, body: bytes, client: Client) -> None:
        answer = client.post(f"{AUTH}/auth/login", body, content_type="application/json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("path", ["account/phone", "auth/phone/verify", "nothing"])
    def test_what_is_not_there_is_404(self, path: str, alice_client: APIClient) -> None:
        assert alice_client.get(f"{AUTH}/{path}").status_code == 404

    @pytest.mark.parametrize("token", ["", "x", "a b", "ü" * 32, "0" * 32, "' OR 1=1 --"])
    def test_a_token_that_is_none_is_refused_everywhere(self, token: str) -> None:
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
        assert client.get("/api/me").status_code == 401
        assert client.get(f"{AUTH}/auth/session").status_code in (401, 410)


class TestBrowserPages:
    @pytest.mark.parametrize("path", ["login", "signup", "password/reset"])
    def test_of_allauth_are_served(self, path: str, client: Any) -> None:
        assert client.get(f"/accounts/{path}/").status_code == 200

    def test_log_in_gives_the_browser_a_session_that_nobody_knew_before(self, alice: User, client: Client) -> None:
        planted = client.session
        planted["planted"] = True
        planted.save()
        client.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)
        client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        assert client.session.session_key != str(planted.session_key)
        thief = Client()
        thief.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)
        assert thief.get("/account").status_code == 302

    def test_log_in_by_form_opens_a_session(self, alice: User, client: Any) -> None:
        answer = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        assert answer.status_code == 302
        assert client.get("/accounts/email/").status_code == 200
