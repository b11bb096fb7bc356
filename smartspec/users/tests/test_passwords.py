"""Which passwords are taken, and which are not."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from rest_framework.test import APIClient

from smartspec.testing import PASSWORD
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in, log_in


def codes(password: str) -> set[str | None]:
    """Return why a password is refused; empty when it is taken."""
    try:
        validate_password(password)
    except ValidationError as refusal:
        return {error.code for error in refusal.error_list}
    return set()


class TestPassword:
    @pytest.mark.parametrize(
        "password",
        [
            *("twelve chars", "all lower case words", "ALL UPPER CASE WORDS", "รหัสผ่านภาษาไทย", "🐎🔋 right staple"),
            *("a sentence of sixty-four characters, which is what one must be.", "horse " * 21 + "ab"),
        ],
    )
    def test_has_12_to_128_characters_of_any_kind(self, password: str) -> None:
        assert codes(password) == set()

    @pytest.mark.parametrize("password", ["elevenchars", "two  words", "a            b", " " * 20 + "battery"])
    def test_is_no_shorter_and_a_run_of_spaces_is_one_character(self, password: str) -> None:
        assert "password_too_short" in codes(password)

    def test_is_no_longer(self) -> None:
        assert codes("horse " * 22) == {"password_too_long"}
        assert "password_too_long" in codes("1 " * 500_000 + "x")  # and says so at once

    @pytest.mark.parametrize("password", ["qwertyqwerty", "1q2w3e4r5t6y", "Motherfucker"])
    def test_is_not_what_everybody_takes(self, password: str) -> None:
        assert codes(password) == {"password_too_common"}


@pytest.mark.django_db
class TestEveryPlaceWhereOneIsSet:
    @pytest.mark.parametrize("password", ["qwertyqwerty", "horse " * 22])
    def test_refuses_the_same(self, password: str, alice: User) -> None:
        person = {"email": "carol@smartspec.test", "password": password}
        assert APIClient().post(f"{AUTH}/auth/signup", person).status_code == 400
        change = {"current_password": PASSWORD, "new_password": password}
        app = client_with(log_in(alice.email, PASSWORD))
        assert app.post(f"{AUTH}/account/password/change", change).status_code == 400
        browser = Client()
        browser.post("/accounts/signup/", {"email": "carol@smartspec.test", "password1": password})
        browser.force_login(alice)
        on_the_page = {"oldpassword": PASSWORD, "password1": password, "password2": password}
        assert browser.post("/accounts/password/change/", on_the_page).status_code == 200
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)
        assert not User.objects.filter(email="carol@smartspec.test").exists()


@pytest.mark.django_db
class TestSpaces:
    def test_at_the_ends_are_kept_by_pages_and_app_alike(self, alice: User) -> None:
        spaced, other = "  a horse and a battery ", " a battery and a horse  "
        page = Client()
        page.force_login(alice)
        page.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": spaced, "password2": spaced})
        app = client_with(log_in(alice.email, spaced))
        change = {"current_password": spaced, "new_password": other}
        assert app.post(f"{AUTH}/account/password/change", change).status_code == 200
        alice.refresh_from_db()
        assert alice.check_password(other)
        answer = Client().post("/accounts/login/", {"login": alice.email, "password": other.strip()})
        assert answer.status_code == 200  # the form again

    def test_at_the_ends_are_kept_at_a_sign_up_and_a_reset(self, mailoutbox: list[Any]) -> None:
        spaced, other = "  a horse and a battery ", " a battery and a horse  "
        sign_up = {"email": "carol@smartspec.test", "password": spaced}
        assert APIClient().post(f"{AUTH}/auth/signup", sign_up).status_code == 200
        carol = User.objects.get()
        assert carol.check_password(spaced)
        flow = client_with(
            APIClient().post(f"{AUTH}/auth/password/request", {"email": carol.email}).json()["meta"]["session_token"]
        )
        flow.post(f"{AUTH}/auth/password/reset", {"key": code_in(mailoutbox[1]), "password": other})
        carol.refresh_from_db()
        assert carol.check_password(other)
