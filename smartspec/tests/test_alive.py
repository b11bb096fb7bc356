"""What the containers' health checks say: the web server's asks `/healthz`, the worker's the queue."""

from typing import Any

import psycopg
import pytest
from django.db import connection

from smartspec import alive
from smartspec.bench.server import free_port


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

    def test_with_a_worker_that_was_heard_of_lives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        silent = f"{alive.WORKER} has not been heard of for a minute"
        way = connection.get_connection_params() | {"autocommit": True}
        with psycopg.connect(**way | {"application_name": "smartspec worker elsewhere"}):
            assert alive.ask_queue() == silent
        with psycopg.connect(**way | {"application_name": alive.WORKER}) as worker:
            worker.execute("SELECT 1")
            assert alive.ask_queue() == ""
            monkeypatch.setattr(alive, "SILENT_SECONDS", 0)
            assert alive.ask_queue() == silent
        assert alive.ask_queue() == silent

    def test_whose_database_is_away_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_DIRECT_URL", f"postgres://nobody@127.0.0.1:{free_port()}/none")
        assert alive.ask_queue().startswith("the queue: connection failed")
