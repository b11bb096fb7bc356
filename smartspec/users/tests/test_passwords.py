"""Which passwords are taken, and which are not."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from smartspec.testing import PASSWORD
from smartspec.users.models import User
from smartspec.users.tests.conftest import AUTH, client_with, code_in, log_in


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
