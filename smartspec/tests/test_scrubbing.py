"""Addresses, secrets and cards leave this server neither in logs nor in reports; ids do, for they lead to the rest."""

import gzip
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings
from structlog.stdlib import ProcessorFormatter

from smartspec.scrubbing import MASK, scrub
from smartspec.users import keys, page_urls

KEPT = "cs_test_a1B2 pi_3Nk evt_1 3f2b8c1e-0000-4000-8000-000000000000 2026-03-10 12:00:00.123456 105.000000"
HIDDEN = {
    "e-mail": "alice@smartspec.test",
    "e-mail with a tag": "Alice.B+c@mail.example.co.th",
    "e-mail in a query": "alice%40smartspec.test",
    "e-mail in a query of a query": "alice%252Bb%2540smartspec.test",
    "Stripe key": "sk_" + "live_" + "abcdefghijklmnop",
    "webhook secret": "whsec_abcdefgh",
    "service key": keys.make_key(keys.SERVICE_KIND).text,
    "user key": keys.make_key(keys.USER_KIND).text,
    "card": "4242 4242 4242 4242",
    "card without spaces": "5555555555554444",
}
# What fails here: a page (its database does not answer), a log line of our own, and a library's words.
FAILING = """
import logging
import structlog
from django.test import Client
from smartspec.logs import get_logger
structlog.contextvars.bind_contextvars(event_id="evt_42")
client = Client(raise_request_exception=False)
client.get("/account/open/path-secret?email=alice%40smartspec.test", headers={"host": "localhost"})
client.get("/account/nowhere%0A{%22event%22: %22Forged%22}", headers={"host": "localhost"})
client.post(
    "/api/auth/app/v1/auth/login?email=alice@smartspec.test&token=query-secret",
    '{"email": "alice@smartspec.test", "password": "body-secret"}', content_type="application/json",
    headers={"authorization": "Bearer header-secret", "cookie": "sessionid=cookie-secret", "host": "localhost"})
log = get_logger("smartspec.trial")
try:
    local = "local-secret"
    raise ValueError("no mail to alice@smartspec.test with " + "sk_" + "live_abcdefghijklmnop")
except ValueError:
    log.exception("Trial failed", purchase_id="p-1", password="field-secret", email="alice@smartspec.test")
logging.getLogger("library").error("Bearer %s was refused", "library-secret")
import sentry_sdk
sentry_sdk.flush(5)
"""


class TestScrubbing:
    @pytest.mark.parametrize("what", HIDDEN)
    def test_hides_what_is_personal_or_secret_and_keeps_the_rest(self, what: str) -> None:
        assert scrub(f"before {HIDDEN[what]}, after {KEPT}") == f"before {MASK}, after {KEPT}"

    def test_hides_the_tokens_of_headers_and_addresses(self) -> None:
        assert scrub("Authorization: Bearer abc.def") == f"Authorization: Bearer {MASK}"
        assert scrub("postgres://user:pass@db/x") == f"postgres://{MASK}@db/x"
        assert scrub("https://r2/x.png?X-Amz-Signature=abc&a=1") == f"https://r2/x.png?X-Amz-Signature={MASK}&a=1"

    def test_hides_the_tokens_in_paths(self) -> None:
        for page in ("account/open", "account/verify"):
            assert scrub(f"GET /{page}/Ab1:c-D_e?next=/account") == f"GET /{page}/{MASK}?next=/account"
            quoted = f"/{page}/Ab1".replace("/", "%2F")
            assert "Ab1" not in scrub(f"/accounts/login/?next={quoted}")
        assert scrub("GET /account/transactions/entry_1") == "GET /account/transactions/entry_1"

    def test_hides_every_token_that_an_address_of_ours_has(self) -> None:
        """A new page with a token in its path: name it in `scrubbing.PATTERNS`."""
        for pattern in (str(route.pattern) for route in page_urls.urlpatterns):
            path = "/" + re.sub("<[^>]+>", "Ab1-secret", pattern)
            assert "Ab1-secret" not in scrub(path)

    def test_hides_by_name_however_deep(self) -> None:
        line = {"user_id": 7, "headers": [{"Cookie": "a=b", "Accept": "*/*"}], "new_password": "x", "token": ""}
        assert scrub(line) == {
            "user_id": 7,
            "headers": [{"Cookie": MASK, "Accept": "*/*"}],
            "new_password": MASK,
            "token": "",
        }

    def test_lets_numbers_be_that_no_card_has(self) -> None:
        assert scrub("4242424242424241 1764000000001") == "4242424242424241 1764000000001"


# --- On the wire --------------------------------------------------------------------------------------------------


@pytest.fixture
def collected() -> Iterator[tuple[str, list[str]]]:
    """A Sentry of our own: its DSN, and what has reached it."""
    bodies: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append((gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://public@127.0.0.1:{server.server_port}/1", bodies
    server.shutdown()
    server.server_close()


def fail(**variables: str) -> str:
    """Let everything fail in a process of its own that logs JSON, and return what it logged."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SMARTSPEC_", "STRIPE_"))}
    given = {"DATABASE_URL": "postgres://nobody:database-secret@127.0.0.1:1/none", "SMARTSPEC_LOG_FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", FAILING],
        cwd=settings.BASE_DIR,
        env=environment | given | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def assert_nothing_escaped(text: str) -> None:
    assert "alice@" not in text
    assert "alice%40" not in text
    assert "abcdefghijklmnop" not in text
    assert "-secret" not in text


def test_neither_logs_nor_reports_hold_what_is_personal(collected: tuple[str, list[str]]) -> None:
    dsn, bodies = collected
    logged = fail(SENTRY_DSN=dsn)
    assert_nothing_escaped(logged)
    assert any(json.loads(line).get("event") == "Trial failed" for line in logged.splitlines() if line[:1] == "{")
    reported = "\n".join(bodies)
    assert_nothing_escaped(reported)
    for wanted in ("Trial failed", "p-1", "evt_42", "OperationalError", "was refused", "/api/auth/app/v1/auth/login"):
        assert wanted in reported


def test_nobody_writes_a_line_of_the_log() -> None:
    logged = fail()
    assert "Forged" in logged
    events = [json.loads(line)["event"] for line in logged.splitlines() if line[:1] == "{"]
    assert len(events) > 5
    assert "Forged" not in events


def test_nothing_is_reported_without_an_address() -> None:
    assert "sentry" not in fail()


class TestConsole:
    def test_says_no_more_than_json_does(self) -> None:
        logged = fail(SMARTSPEC_LOG_FORMAT="console")
        assert_nothing_escaped(logged)
        assert "Trial failed" in logged
        assert "purchase_id=p-1" in logged

    def test_says_where_it_failed_and_not_what_variables_held(self) -> None:
        """Even where the library rich is installed, which structlog would let show them all, however large."""
        handlers = logging.getLogger().handlers
        (formatter,) = {handler.formatter for handler in handlers if isinstance(handler.formatter, ProcessorFormatter)}
        held = "local" + "-secret"
        try:
            raise ValueError("out of paper")
        except ValueError:
            record = logging.LogRecord("trial", logging.ERROR, __file__, 1, "Trial failed", (), sys.exc_info())
        line = formatter.format(record)
        assert "ValueError: out of paper" in line
        assert held not in line
