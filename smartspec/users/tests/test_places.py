"""A log-in from where somebody never was is told to them, once for each place."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.testing import PASSWORD, make_user
from smartspec.tests.threads import at_once
from smartspec.users import services
from smartspec.users.models import LogInPlace, User
from smartspec.users.services.places import network_of
from smartspec.users.tests.conftest import AUTH, client_with

pytestmark = pytest.mark.django_db

HOME, NEXT_DOOR, ELSEWHERE = "203.0.113.7", "203.0.113.201", "198.51.100.9"
SUBJECT = "A log-in from a new place"


def log_in_from(address: str, user: User) -> str:
    answer = APIClient(REMOTE_ADDR=address).post(f"{AUTH}/auth/login", {"email": user.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    token: str = answer.json()["meta"]["session_token"]
    return token


def told(mailoutbox: list[Any]) -> list[str]:
    return [mail.body for mail in mailoutbox if mail.subject == SUBJECT]


class TestLogIn:
    def test_from_a_new_place_is_told_once_with_the_address_and_what_to_do(
        self, alice: User, mailoutbox: list[Any]
    ) -> None:
        log_in_from(HOME, alice)
        for _ in range(2):
            log_in_from(ELSEWHERE, alice)
        (body,) = told(mailoutbox)
        assert f"From: {ELSEWHERE}" in body
        assert "reset your password" in body

    def test_from_where_somebody_was_before_is_not_told(self, alice: User, mailoutbox: list[Any]) -> None:
        for address in (HOME, NEXT_DOOR, HOME):
            log_in_from(address, alice)
        assert told(mailoutbox) == []

    def test_by_a_page_is_told_as_well(self, alice: User, mailoutbox: list[Any]) -> None:
        log_in_from(HOME, alice)
        typed = {"login": alice.email, "password": PASSWORD}
        Client(REMOTE_ADDR=ELSEWHERE).post("/accounts/login/", typed)
        assert len(told(mailoutbox)) == 1

    def test_by_a_link_of_the_app_that_is_opened_elsewhere_is_told_as_well(
        self, alice: User, mailoutbox: list[Any]
    ) -> None:
        app = client_with(log_in_from(HOME, alice))
        url = app.post("/api/auth/web-session", {"next": "/account"}).json()["url"]
        Client(REMOTE_ADDR=ELSEWHERE).get(url)
        assert len(told(mailoutbox)) == 1

    def test_with_a_wrong_password_leaves_nothing(self, alice: User) -> None:
        APIClient(REMOTE_ADDR=HOME).post(f"{AUTH}/auth/login", {"email": alice.email, "password": "wrong guess"})
        assert not LogInPlace.objects.exists()

    def test_after_a_sign_up_is_the_first_and_not_told(self, mailoutbox: list[Any]) -> None:
        carol = {"email": "carol@smartspec.test", "password": PASSWORD}
        APIClient().post(f"{AUTH}/auth/signup", carol)
        assert LogInPlace.objects.get().network == "127.0.0.0/24"
        assert told(mailoutbox) == []


class TestPlace:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            (HOME, "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:7:aa::1", "2001:db8:7::/48"),
        ],
    )
    def test_is_the_network_of_an_address(self, address: str, network: str) -> None:
        assert network_of(address) == network

    def test_that_was_not_used_for_a_year_is_forgotten_but_for_the_last(self, alice: User) -> None:
        now = clock.now()
        for days_ago, address in ((800, HOME), (400, ELSEWHERE)):
            services.note_log_in_place(user=alice, address=address, now=now - timedelta(days=days_ago))
        assert services.clear_expired(now=now)["places"] == 1
        assert LogInPlace.objects.get().network == network_of(ELSEWHERE)


@pytest.mark.django_db(transaction=True)
def test_two_log_ins_at_once_from_a_new_place_are_told_once() -> None:
    alice, now = make_user("alice@smartspec.test"), clock.now()
    services.note_log_in_place(user=alice, address=HOME, now=now)
    log_in = partial(services.note_log_in_place, user=alice, address=ELSEWHERE, now=now)
    assert sorted(at_once(4, lambda _: log_in())) == [False, False, False, True]
