"""What operators and machines see of the server itself."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from smartspec import operations


class TestHealth:
    def test_is_answered_without_a_database(self, client: Client) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}

    def test_leaves_no_line_in_the_log(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            client.get("/healthz")
            assert "request_" not in caplog.text
            client.get("/healthz", headers={"host": "another.example"})  # refused, and that is told
        assert "/healthz" in caplog.text

    @pytest.mark.django_db
    def test_ready_names_what_it_looked_at(self, client: Client) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "database": "ok",
            "migrations": "ok",
            "queue": "ok",
            "storage": "ok",
        }

    @pytest.mark.django_db
    def test_asked_by_many_looks_once_a_second(self, client: Client, django_assert_num_queries: Any) -> None:
        client.get("/readyz")
        with django_assert_num_queries(0):
            assert [client.get("/readyz").status_code for _ in range(3)] == [200] * 3
        time.sleep(operations.LOOK_EVERY_SECONDS)
        with CaptureQueriesContext(connection) as asked:
            client.get("/readyz")
        assert len(asked) > 0


class TestUnknownAddress:
    def test_is_a_problem_under_api(self, client: Client) -> None:
        answer = client.get("/api/nothing/here")
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"

    @pytest.mark.django_db
    def test_is_a_page_elsewhere(self, client: Client) -> None:
        answer = client.get("/nothing/here")
        assert answer.status_code == 404
        assert b"There is no such page" in answer.content


class TestEveryAnswer:
    def test_carries_a_request_id(self, client: Client) -> None:
        first, second = client.get("/healthz"), client.get("/healthz")
        assert first["X-Request-Id"]
        assert first["X-Request-Id"] != second["X-Request-Id"]

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            ({"REQUEST_METHOD": "OPTIONS", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}, 200),
            ({"HTTP_HOST": "elsewhere.test"}, 400),
            ({"PATH_INFO": "/api/nothing/here"}, 404),
            ({"PATH_INFO": "/static/smartspec/style.css"}, 200),
        ],
        ids=["preflight", "wrong host", "unknown address", "static file"],
    )
    def test_carries_a_request_id_whoever_gives_it(self, client: Client, request_: Any, status: int) -> None:
        asked = {"PATH_INFO": "/api/me", "HTTP_ORIGIN": "tauri://localhost", **request_}
        answer = client.request(**asked)
        assert (answer.status_code, bool(answer.get("X-Request-Id"))) == (status, True)

    def test_carries_a_request_id_when_it_leads_to_https(self, settings: Any) -> None:
        settings.SECURE_SSL_REDIRECT = True
        answer = Client().get("/api/me")
        assert (answer.status_code, bool(answer.get("X-Request-Id"))) == (301, True)


@pytest.mark.django_db
class TestSentMail:
    @pytest.fixture(autouse=True)
    def mail_in_a_folder(self, settings: Any, tmp_path: Path) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
        settings.EMAIL_FILE_PATH = tmp_path

    def test_is_listed_and_read(self, client: Client) -> None:
        EmailMessage("Your code is 42", "Type 42 – ไทย <b>", to=["alice@smartspec.test"]).send()
        page = client.get("/sandbox/mail").content.decode()
        assert "Your code is 42" in page
        assert "alice@smartspec.test" in page
        name = next(settings.EMAIL_FILE_PATH.glob("*.log")).name
        assert "Type 42 – ไทย &lt;b&gt;" in client.get(f"/sandbox/mail/{name}").content.decode()

    def test_never_shows_another_file(self, client: Client) -> None:
        assert client.get("/sandbox/mail/..%2Fprocesses.json").status_code == 404
        assert client.get("/sandbox/mail/nothing.log").status_code == 404


@pytest.mark.django_db
def test_pages_travel_compressed_and_the_api_as_it_is(client: Client) -> None:
    for path, encoding in (("/accounts/login/", "gzip"), ("/api/schema", None)):
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert answer.get("Content-Encoding") == encoding, path


def test_the_document_is_made_once_for_everybody(client: Client, db: None) -> None:
    first, again = (client.get("/api/schema", headers={"accept": "application/json"}) for _ in range(2))
    assert first.content is again.content
    assert first.json()["openapi"].startswith("3.")
    thai = client.get("/api/schema", headers={"accept": "application/vnd.oai.openapi", "accept-language": "th"})
    assert (thai.status_code, thai.content.startswith(b"openapi: 3.")) == (200, True)
    assert client.get("/api/auth/openapi.json")["Location"] == "/api/schema"
