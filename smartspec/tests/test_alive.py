"""What the containers' health checks say: the web server's asks `/healthz`, the worker's the queue."""

from typing import Any

import pytest
from django.db import connection

from smartspec import alive
from smartspec.testing import free_port


class TestWebServer:
    def test_that_answers_lives(self, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", str(live_server.thread.port))
        assert alive.ask_web_server() == ""

    def test_that_does_not_answer_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", port := str(free_port()))
        assert alive.ask_web_server().startswith(f"http://127.0.0.1:{port}/healthz: ")


@pytest.mark.django_db(transaction=True)
class TestQueue:
    @pytest.fixture(autouse=True)
    def way(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The database by libpq's own variables, since the embedded server's socket is a folder."""
        database = settings.DATABASES["default"]
        monkeypatch.setenv("PGHOST", database["HOST"])
        monkeypatch.setenv("PGPORT", str(database["PORT"] or 5432))
        url = f"postgres://{database['USER']}:{database['PASSWORD']}@/{database['NAME']}"
        monkeypatch.setenv("DATABASE_DIRECT_URL", url)

    def test_with_a_worker_that_was_heard_of_lives(self) -> None:
        assert alive.ask_queue() == "no worker has been heard of for a minute"
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert alive.ask_queue() == ""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
        assert alive.ask_queue() == "no worker has been heard of for a minute"

    def test_whose_database_is_away_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_DIRECT_URL", f"postgres://nobody@127.0.0.1:{free_port()}/none")
        assert alive.ask_queue().startswith("the queue: connection failed")
