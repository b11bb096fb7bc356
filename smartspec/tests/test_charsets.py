"""Whatever charset a request names, asked of what the web server runs: the tests' client reads requests itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils.module_loading import import_string

from smartspec.testing import PASSWORD
from smartspec.users.models import User

pytestmark = pytest.mark.django_db

CHARSETS = (
    "utf-7",
    "utf-16",
    "unicode_escape",
    "idna",
    "punycode",
    "undefined",
    "rot13",
    "hex",
    "nonsense",
    "",
    "\x00",
)
TOKEN = "a" * 32  # whoever sends it twice has a cookie of ours


@contextmanager
def connection_kept() -> Iterator[None]:
    """Let requests begin and end within the test's transaction, as the tests' client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def post(path: str, body: str, kind: str) -> int:
    """Return the status of the answer."""
    statuses: list[str] = []
    sent = body.encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "PATH_INFO": path,
        "QUERY_STRING": "a=%C3%A4",
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(sent)),
        "HTTP_COOKIE": f"csrftoken={TOKEN}",
        "HTTP_X_CSRFTOKEN": TOKEN,
        "wsgi.input": BytesIO(sent),
    }
    setup_testing_defaults(environ)
    application = import_string(settings.WSGI_APPLICATION)
    with connection_kept():
        application(environ, lambda status, headers: statuses.append(status)).close()
    return int(statuses[0].split()[0])


@pytest.mark.parametrize("charset", CHARSETS, ids=repr)
class TestCharset:
    def test_of_a_json_body_is_utf_8(self, charset: str, alice: User) -> None:
        body = f'{{"email": "{alice.email}", "password": "{PASSWORD}"}}'
        assert post("/api/auth/app/v1/auth/login", body, f"application/json; charset={charset}") == 200

    @pytest.mark.parametrize("path", ["/api/credits/quote", "/api/webhooks/stripe", "/api/nothing"])
    def test_changes_no_refusal(self, path: str, charset: str) -> None:
        kind = "application/json"
        assert post(path, "{}", f"{kind}; charset={charset}") == post(path, "{}", kind) < 500

    @pytest.mark.parametrize("page", ["login", "signup"])
    @pytest.mark.parametrize("password", ["+2AA-abcdefghijklmnop", r"\ud800abcdefghijklmnop", PASSWORD])
    def test_of_a_form_is_utf_8(self, page: str, charset: str, password: str, alice: User) -> None:
        email = alice.email if page == "login" else "carol@smartspec.test"
        fields = {"login": email, "email": email, "password": password, "password1": password}
        parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
        status = post(
            f"/accounts/{page}/", "".join(parts) + "--x--\r\n", f"multipart/form-data; boundary=x; charset={charset}"
        )
        assert status == (302 if page == "signup" or password == PASSWORD else 200)
