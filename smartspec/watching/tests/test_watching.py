"""What operators are told, and how: one screen, one mail, one address for Prometheus."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from smartspec import watching
from smartspec.users import services as users_services
from smartspec.watching import Condition, Gauge, selectors, services, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def ship(settings: Any) -> Iterator[dict[str, Any]]:
    """A condition of the test's own, `ship_floats`, that does what the test says; every other is left out."""
    settings.OPERATOR_EMAILS = ["ops@smartspec.test"]
    words.discover()
    conditions, gauges = dict(words._conditions), dict(words._gauges)
    words._conditions.clear()
    words._gauges.clear()
    state: dict[str, Any] = {"holds": True, "error": None}

    @watching.condition
    def ship_floats(now: datetime) -> Condition:
        if state["error"]:
            raise state["error"]
        return Condition("ship_floats", holds=state["holds"], detail="2 m of water", remedy="Pump.")

    @watching.gauges
    def depth(now: datetime) -> list[Gauge]:
        return [Gauge("smartspec_depth", "How deep.", {("bow",): 2, ("stern",): 3.5}, ("where",))]

    yield state
    words._conditions.clear()
    words._gauges.clear()
    words._conditions.update(conditions)
    words._gauges.update(gauges)


class SlowMail(EmailBackend):
    """A mail server that takes its time."""

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        time.sleep(0.5)
        return super().send_messages(messages)


class TestAlert:
    def test_is_mailed_once_when_it_breaks_and_once_when_it_holds_again(
        self, ship: dict[str, Any], now: datetime, mailoutbox: list[EmailMessage]
    ) -> None:
        services.alert(now=now)
        assert mailoutbox == []
        ship["holds"] = False
        for minutes in (5, 10, 15):
            services.alert(now=now + timedelta(minutes=minutes))
        assert [mail.subject for mail in mailoutbox] == ["SmartSpec Pro: ship_floats is wrong"]
        assert mailoutbox[0].to == ["ops@smartspec.test"]
        assert "2 m of water" in mailoutbox[0].body
        assert "What to do: Pump." in mailoutbox[0].body
        ship["holds"] = True
        for minutes in (20, 25):
            services.alert(now=now + timedelta(minutes=minutes))
        assert [mail.subject for mail in mailoutbox[1:]] == ["SmartSpec Pro: ship_floats is right again"]

    def test_is_mailed_later_when_mail_is_down(
        self, ship: dict[str, Any], now: datetime, settings: Any, mailoutbox: list[EmailMessage]
    ) -> None:
        ship["holds"] = False
        working = settings.EMAIL_BACKEND
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_PORT = 1  # nothing listens there
        with pytest.raises(OSError, match="refused"):
            services.alert(now=now)
        settings.EMAIL_BACKEND = working
        services.alert(now=now + timedelta(minutes=5))
        assert len(mailoutbox) == 1

    def test_tells_of_a_condition_that_could_not_be_looked_at(
        self, ship: dict[str, Any], now: datetime, mailoutbox: list[EmailMessage]
    ) -> None:
        ship["error"] = RuntimeError("secret detail")
        services.alert(now=now)
        assert "could not be looked at: RuntimeError" in mailoutbox[0].body
        assert "secret detail" not in mailoutbox[0].body

    def test_is_mailed_to_who_is_named_later(
        self, ship: dict[str, Any], now: datetime, settings: Any, mailoutbox: list[EmailMessage]
    ) -> None:
        ship["holds"] = False
        settings.OPERATOR_EMAILS = []
        services.alert(now=now)
        settings.OPERATOR_EMAILS = ["ops@smartspec.test"]
        services.alert(now=now + timedelta(minutes=5))
        assert len(mailoutbox) == 1


@pytest.fixture
def data_dir(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.django_db(transaction=True)
class TestWithoutDatabase:
    def doctor(self) -> str:
        screen = StringIO()
        with suppress(SystemExit):
            call_command("doctor", "--mail", stdout=screen)
        return screen.getvalue()

    @contextmanager
    def away(self) -> Iterator[None]:
        connection.close()
        at = connection.settings_dict
        host, at["HOST"] = at["HOST"], "/nowhere"
        yield
        at["HOST"] = host

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """As a server that found its disk full, or a standby."""
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            yield
            cursor.execute("SET default_transaction_read_only = off")

    def test_operators_are_told_once_that_it_is_away_and_once_that_it_is_back(
        self, ship: dict[str, Any], data_dir: Path, mailoutbox: list[EmailMessage]
    ) -> None:
        with self.away():
            assert "WRONG  database  cannot be reached" in self.doctor()
            self.doctor()
        assert [mail.subject for mail in mailoutbox] == ["SmartSpec Pro: database is wrong"]
        self.doctor()
        self.doctor()
        assert [mail.subject for mail in mailoutbox[1:]] == ["SmartSpec Pro: database is right again"]

    def test_they_are_told_what_is_wrong_when_it_cannot_be_written(
        self, ship: dict[str, Any], data_dir: Path, mailoutbox: list[EmailMessage]
    ) -> None:
        ship["holds"] = False
        with self.read_only():
            assert "WRONG  ship_floats" in self.doctor()
            self.doctor()
        (mail,) = mailoutbox
        assert mail.subject == "SmartSpec Pro: database is wrong and 1 more"
        assert "cannot be written" in mail.body
        assert "ship_floats: 2 m of water" in mail.body
        self.doctor()
        assert "RIGHT AGAIN  database" in mailoutbox[1].body


class TestProof:
    def test_holds_until_it_is_too_old(self, now: datetime) -> None:
        day = timedelta(days=1)
        services.record_proof(name="books", holds=True, detail="7 accounts", now=now)
        look = selectors.proof(name="books", now=now + day, within=2 * day, remedy="")
        assert (look.holds, look.detail) == (True, "7 accounts (2026-03-10 12:00 UTC)")
        assert not selectors.proof(name="books", now=now + 3 * day, within=2 * day, remedy="").holds

    def test_that_failed_does_not_hold(self, now: datetime) -> None:
        services.record_proof(name="books", holds=True, detail="fine", now=now)
        services.record_proof(name="books", holds=False, detail="1 fault", now=now)
        assert not selectors.proof(name="books", now=now, within=timedelta(days=2), remedy="").holds


class TestDoctor:
    def test_says_what_is_wrong_and_what_to_type(self, ship: dict[str, Any]) -> None:
        ship["holds"] = False
        screen = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", stdout=screen)
        assert ended.value.code == 1
        assert "WRONG  ship_floats  2 m of water" in screen.getvalue()
        assert "→ Pump." in screen.getvalue()

    def test_is_content_when_everything_holds(self, ship: dict[str, Any]) -> None:
        screen = StringIO()
        call_command("doctor", stdout=screen)
        assert screen.getvalue().splitlines()[-1] == "Everything holds."

    def test_speaks_of_migrations_alone_while_there_is_no_table_of_ours(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE watching_proof")
        screen = StringIO()
        call_command("doctor", stdout=screen)
        assert [line.split()[1] for line in screen.getvalue().splitlines()] == ["migrations", "holds."]

    def test_speaks_json(self, ship: dict[str, Any]) -> None:
        screen = StringIO()
        call_command("doctor", "--json", stdout=screen)
        assert json.loads(screen.getvalue())["conditions"] == [
            {"name": "ship_floats", "holds": True, "detail": "2 m of water", "remedy": "Pump."}
        ]

    def test_mails_when_it_is_asked_to(self, ship: dict[str, Any], mailoutbox: list[EmailMessage]) -> None:
        ship["holds"] = False
        for _ in range(2):
            with pytest.raises(SystemExit):
                call_command("doctor", "--mail", stdout=StringIO())
        assert len(mailoutbox) == 1

    def test_shows_its_screen_when_mail_is_down(self, ship: dict[str, Any], settings: Any) -> None:
        ship["holds"] = False
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_PORT = 1  # nothing listens there
        screen = StringIO()
        with pytest.raises(CommandError, match=r"could not be told: .*refused"):
            call_command("doctor", "--mail", stdout=screen)
        assert "WRONG  ship_floats" in screen.getvalue()


class TestGroundConditions:
    def looked_at(self, name: str, now: datetime) -> Condition:
        return words.all_conditions()[name](now)

    def add_job(self, *, queue: str = "default", status: str = "todo", minutes_ago: int = 0) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at)"
                " VALUES (%s, 'any', '{}', %s, now() - make_interval(mins => %s))",
                [queue, status, minutes_ago],
            )

    def test_a_job_that_waits_for_more_than_five_minutes_is_wrong(self, now: datetime) -> None:
        self.add_job(minutes_ago=4)
        assert self.looked_at("queue_age", now).holds
        self.add_job(minutes_ago=6)
        look = self.looked_at("queue_age", now)
        assert (look.holds, look.detail) == (False, "default: 2 due, the oldest for 360 s")

    def test_whoever_is_told_of_it_sees_which_queues_wait(self, now: datetime) -> None:
        self.add_job(queue="webhooks", minutes_ago=1)
        self.add_job(queue="mirror", minutes_ago=6)
        look = self.looked_at("queue_age", now)
        waiting = "mirror: 1 due, the oldest for 360 s; webhooks: 1 due, the oldest for 60 s"
        assert (look.holds, look.detail) == (False, waiting)

    def test_a_job_for_later_does_not_wait(self, now: datetime) -> None:
        self.add_job(minutes_ago=-60)
        assert self.looked_at("queue_age", now).detail == "no job is due"

    def test_a_worker_must_have_been_heard_of(self, now: datetime) -> None:
        assert self.looked_at("worker", now) == Condition(
            "worker", holds=False, detail="no worker runs", remedy=self.looked_at("worker", now).remedy
        )
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert self.looked_at("worker", now).holds
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
        assert not self.looked_at("worker", now).holds

    def test_a_job_that_gave_up_is_wrong(self, now: datetime) -> None:
        assert self.looked_at("failed_jobs", now).holds
        self.add_job(status="failed")
        assert not self.looked_at("failed_jobs", now).holds

    def test_a_key_of_a_service_is_told_of_before_it_ends(self, now: datetime) -> None:
        made, soon = now - timedelta(days=90), now + timedelta(days=13)
        for name, scopes, ends_at in (("farm", ["credits:spend"], soon), ("billing", ["read"], None)):
            users_services.create_service_key(name=name, scopes=scopes, now=made, expires_at=ends_at)
        look = self.looked_at("service_keys", now)
        assert not look.holds
        assert look.detail.startswith("ending: farm (ssk_")
        assert look.detail.endswith(f" on {soon:%Y-%m-%d}")
        users_services.revoke_service_key(prefix_or_name="farm", now=now)
        assert self.looked_at("service_keys", now).holds

    def test_every_condition_can_be_looked_at(self, now: datetime) -> None:
        assert {"migrations", "queue_age", "worker", "failed_jobs", "disk"} <= set(words.all_conditions())
        for condition in selectors.look(now=now):
            assert "could not be looked at" not in condition.detail, condition


class TestMetrics:
    def test_tell_requests_by_the_pattern_of_their_address(self, client: Client) -> None:
        client.get("/healthz")
        client.get("/nothing/at/all")
        text = client.get("/metrics").content.decode()
        assert 'smartspec_request_seconds_count{method="GET",route="/healthz",status="200"}' in text
        assert 'smartspec_request_seconds_count{method="GET",route="unknown",status="404"}' in text

    def test_tell_gauges_and_conditions(self, ship: dict[str, Any], client: Client) -> None:
        ship["holds"] = False
        text = client.get("/metrics").content.decode()
        assert 'smartspec_depth{where="bow"} 2.0' in text
        assert 'smartspec_depth{where="stern"} 3.5' in text
        assert 'smartspec_condition{name="ship_floats"} 0.0' in text

    def test_every_figure_can_be_read(self, now: datetime) -> None:
        for read in words.all_gauges().values():
            for gauge in read(now):
                assert all(len(labels) == len(gauge.labels) for labels in gauge.samples), gauge

    @pytest.mark.parametrize("networks", [["10.0.0.0/8"], []])
    def test_are_nobody_elses_business(self, client: Client, settings: Any, networks: list[str]) -> None:
        settings.METRICS_NETWORKS = networks
        assert client.get("/metrics").status_code == 404

    def test_are_not_reached_through_the_public_proxy(self, client: Client) -> None:
        assert client.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 404


class TestOperationsPage:
    def test_says_what_to_do_about_every_condition(self) -> None:
        page = (settings.BASE_DIR / "docs" / "operations.md").read_text()
        assert [name for name in words.all_conditions() if f"| `{name}` |" not in page] == []


@pytest.mark.django_db(transaction=True)
class TestTwoThatTellAtOnce:
    """Two workers, or a worker and the timer that runs `doctor --mail`."""

    def tell(self, now: datetime) -> None:
        ready = threading.Barrier(2)

        def run() -> None:
            ready.wait(10)
            try:
                services.alert(now=now)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            for worker in [pool.submit(run) for _ in range(2)]:
                worker.result()

    def test_send_one_mail_when_it_breaks_and_one_when_it_holds_again(
        self, ship: dict[str, Any], now: datetime, settings: Any, mailoutbox: list[EmailMessage]
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.SlowMail"
        for ship["holds"] in (False, True):
            self.tell(now)
        subjects = [mail.subject for mail in mailoutbox]
        assert subjects == ["SmartSpec Pro: ship_floats is wrong", "SmartSpec Pro: ship_floats is right again"]
