"""How often a caller may call."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from smartspec import clock
from smartspec.testing import make_client, make_user
from smartspec.tests.threads import at_once
from smartspec.users import services, throttling
from smartspec.users.models import RateCount, User
from smartspec.users.throttling import Rate, count_call


@pytest.mark.django_db
class TestCounting:
    def test_lets_so_many_through_in_a_window_and_again_in_the_next(self, now: datetime) -> None:
        rate = Rate.parse("3/m")
        assert [count_call(key="x", rate=rate, now=now) for _ in range(5)] == [True] * 3 + [False] * 2
        assert count_call(key="y", rate=rate, now=now)
        assert not count_call(key="x", rate=rate, now=now + timedelta(seconds=59))
        assert count_call(key="x", rate=rate, now=now + timedelta(seconds=60))

    def test_a_server_whose_clock_is_behind_counts_into_the_present_window(self, now: datetime) -> None:
        rate = Rate.parse("2/m")
        behind = now - timedelta(seconds=1)
        assert count_call(key="x", rate=rate, now=now)
        assert count_call(key="x", rate=rate, now=behind)
        assert not count_call(key="x", rate=rate, now=behind)
        assert not count_call(key="x", rate=rate, now=now)

    def test_a_clock_that_was_set_back_locks_nobody_out(self, now: datetime) -> None:
        rate = Rate.parse("1/m")
        assert count_call(key="x", rate=rate, now=now + timedelta(days=30))
        assert count_call(key="x", rate=rate, now=now)

    def test_a_high_rate_is_counted_in_blocks_and_never_passed(
        self, now: datetime, django_assert_max_num_queries: Any
    ) -> None:
        rate = Rate.parse("20100/m")
        with django_assert_max_num_queries(205):
            answers = [count_call(key="block", rate=rate, now=now) for _ in range(20_102)]
        assert answers == [True] * 20_100 + [False] * 2


@pytest.mark.django_db(transaction=True)
class TestRace:
    def test_a_limit_holds_when_all_call_at_once(self, now: datetime) -> None:
        rate = Rate.parse("20/m")
        answers = at_once(12, lambda _: [count_call(key="x", rate=rate, now=now) for _ in range(10)])
        assert sum(sum(answer) for answer in answers) == 20

    def test_blocks_of_several_processes_never_pass_it(self, now: datetime) -> None:
        rate = Rate.parse("20000/m")
        taken = at_once(12, lambda _: [throttling.take_calls(key="x", rate=rate, now=now, calls=999) for _ in range(3)])
        assert sum(sum(calls) for calls in taken) == 20_000

    def test_over_the_api_it_is_429_and_says_when_to_come_back(self, settings: Any) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"user": "10/d"}
        alice = make_user("alice@smartspec.test")
        clients = [make_client(alice) for _ in range(6)]

        def call_five_times() -> list[Any]:
            client = clients.pop()
            return [client.get("/api/keys") for _ in range(5)]

        answers = [answer for some in at_once(6, lambda _: call_five_times()) for answer in some]
        assert sum(answer.status_code == 200 for answer in answers) == 10
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused["Content-Type"] == "application/problem+json"
        assert 0 < int(refused["Retry-After"]) <= 86_400
        assert refused.json()["code"] == "throttled"

    def test_of_many_clicks_on_one_link_one_opens_a_session(self) -> None:
        alice = make_user("alice@smartspec.test")
        now = clock.now()
        token = services.create_web_session_link(user=alice, next_path="/account/buy", now=now)

        def click() -> bool:
            try:
                services.use_web_session_link(token=token, now=now)
            except services.LinkUsedUp:
                return False
            return True

        assert sorted(at_once(8, lambda _: click())) == [False] * 7 + [True]

    def test_of_many_guesses_at_one_password_five_at_most_are_looked_at(self) -> None:
        guess = {"email": make_user("alice@smartspec.test").email, "password": "wrong"}
        answers = at_once(9, lambda _: APIClient().post("/api/auth/app/v1/auth/login", guess).status_code)
        # On a busy machine allauth waits no longer than a second for its lock, and then refuses.
        assert 1 <= answers.count(400) <= 5
        assert answers.count(429) == 9 - answers.count(400)

    def test_of_many_sign_ups_with_one_address_one_makes_an_account(self) -> None:
        person = {"email": "carol@smartspec.test", "password": "correct horse battery staple"}
        answers = at_once(6, lambda _: APIClient().post("/api/auth/app/v1/auth/signup", person).status_code)
        assert answers.count(200) == 1
        assert set(answers) <= {200, 400, 429}
        assert User.objects.count() == 1


@pytest.mark.django_db
class TestWhoIsCounted:
    def test_people_by_user_whichever_device(self, alice: User, bob_client: APIClient, settings: Any) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"user": "2/d"}
        answers = [make_client(alice).get("/api/me").status_code for _ in range(3)]
        assert answers == [200, 200, 429]
        assert bob_client.get("/api/me").status_code == 200

    def test_keys_by_key_and_by_their_user(self, alice_on_pro: User, settings: Any) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"key": "2/d", "user": "3/d"}
        secrets = [
            services.create_user_key(user=alice_on_pro, name="x", scopes=["read"], now=clock.now()).secret
            for _ in range(2)
        ]
        first, second = (APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}") for secret in secrets)
        assert [first.get("/api/me").status_code for _ in range(3)] == [200, 200, 429]
        assert [second.get("/api/me").status_code for _ in range(2)] == [200, 429]

    def test_bad_credentials_by_address(self, settings: Any) -> None:
        settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"address": "2/d"}
        for credentials in ("Bearer nonsense", "Api-Key nonsense"):
            assert APIClient(HTTP_AUTHORIZATION=credentials).get("/api/me").status_code == 401
        answer = APIClient(HTTP_AUTHORIZATION="Bearer nonsense").get("/api/me")
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)

    def test_a_worker_may_call_a_thousand_times_a_second(self, settings: Any) -> None:
        assert Rate.parse(settings.THROTTLE_RATES["service_key"]).calls >= 60 * 1_000

    def test_a_network_of_ipv6_is_one_address(self, rf: Any) -> None:
        addresses = {
            throttling.client_address(rf.get("/", REMOTE_ADDR=address)) for address in ("2001:db8::1", "2001:db8::2")
        }
        assert addresses == {"2001:db8::"}


@pytest.mark.django_db
class TestHousekeeping:
    def test_clears_what_has_expired_and_nothing_else(self, alice_client: APIClient, alice: User) -> None:
        now = clock.now()
        services.create_web_session_link(user=alice, next_path="/account/buy", now=now - timedelta(minutes=2))
        services.create_web_session_link(user=alice, next_path="/account/buy", now=now)
        count_call(key="old", rate=Rate.parse("1/m"), now=now - timedelta(minutes=2))
        count_call(key="new", rate=Rate.parse("1/m"), now=now)
        cleared = services.clear_expired(now=now)
        assert (cleared["links"], cleared["rate_counts"], cleared["sessions"]) == (1, 1, 0)
        assert RateCount.objects.get().key == "new"
        assert alice_client.get("/api/me").status_code == 200
