"""The image's steps without an image: the files that go into it, in a folder of their own, started as in production."""

import http.client
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.conf import settings

from smartspec import checks
from smartspec.bench.server import free_port
from smartspec.testing import copy_database, ensure_template, maintenance_connection
from smartspec.tests.test_production import GIVEN

BASE_DIR = Path(settings.BASE_DIR)
STRIPE = {
    "SMARTSPEC_ALLOW_TEST_KEYS": "true",
    "STRIPE_SECRET_KEY": "sk_test_" + "0" * 24,
    "STRIPE_PUBLISHABLE_KEY": "pk_test_" + "0" * 24,
    "STRIPE_WEBHOOK_SECRET": "whsec_placeholder",
}
BUCKET = {
    "CLOUDFLARE_R2_ACCESS_KEY_ID": "placeholder",
    "CLOUDFLARE_R2_SECRET_ACCESS_KEY": "placeholder",
    "CLOUDFLARE_R2_BUCKET_NAME": "placeholder",
    "CLOUDFLARE_R2_ENDPOINT": "https://account.r2.cloudflarestorage.com",
}
OURS = ("SMARTSPEC_", "STRIPE_", "CLOUDFLARE_R2_", "DATABASE_", "DJANGO_")


class TestUnsafeSettings:
    @pytest.fixture(autouse=True)
    def in_production(self, settings: Any) -> None:
        settings.PRODUCTION, settings.DEBUG = True, False
        settings.SECRET_KEY = settings.ADDRESS_HASH_KEY = "k" * 60
        settings.SITE_URL, settings.ALLOWED_HOSTS = "https://pay.example.com", ["pay.example.com"]
        settings.OPERATOR_EMAILS = ["ops@example.com"]
        settings.STRIPE_SECRET_KEY, settings.STRIPE_LIVE_MODE = "a live key", True

    def test_are_none_of_these(self) -> None:
        assert checks.check_production_settings(None) == []

    @pytest.mark.parametrize(
        ("name", "value", "variable"),
        [
            ("DEBUG", True, "SMARTSPEC_DEBUG"),
            ("SECRET_KEY", "changeme", "SMARTSPEC_SECRET_KEY"),
            ("SECRET_KEY", "local-only-secret-key-never-used-in-production-" + "0" * 20, "SMARTSPEC_SECRET_KEY"),
            ("SECRET_KEY_FALLBACKS", ["k" * 60, "x"], "Each of SMARTSPEC_SECRET_KEY_FALLBACKS"),
            ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "EMAIL_URL"),
            ("ADDRESS_HASH_KEY", "short", "SMARTSPEC_ADDRESS_HASH_KEY"),
            ("SITE_URL", "http://pay.example.com", "SMARTSPEC_SITE_URL"),
            ("ALLOWED_HOSTS", ["pay.example.com", "*"], "SMARTSPEC_ALLOWED_HOSTS"),
            ("ALLOWED_HOSTS", ["pay.example.com", ".com"], "SMARTSPEC_ALLOWED_HOSTS"),
            ("ALLOWED_HOSTS", ["www.example.com"], "SMARTSPEC_ALLOWED_HOSTS"),
            ("METRICS_NETWORKS", ["10.0.0.0/8", "0.0.0.0/0"], "SMARTSPEC_METRICS_NETWORKS"),
            ("CLOUDFLARE_R2_PUBLIC_URL", "http://files.example.com", "CLOUDFLARE_R2_PUBLIC_URL"),
            ("STRIPE_LIVE_MODE", False, "STRIPE_SECRET_KEY"),
        ],
    )
    def test_are_refused_with_a_sentence(self, name: str, value: Any, variable: str, settings: Any) -> None:
        setattr(settings, name, value)
        (message,) = checks.check_production_settings(None)
        assert message.msg.startswith(variable)
        assert message.is_serious()
        assert str(value) not in message.msg or name != "SECRET_KEY"

    def test_include_that_nobody_would_be_told_of_them(self, settings: Any) -> None:
        settings.OPERATOR_EMAILS = []
        (message,) = checks.check_production_settings(None)
        assert (message.id, message.is_serious()) == ("smartspec.W001", False)
        assert message.msg.startswith("SMARTSPEC_OPERATOR_EMAILS")

    @pytest.mark.parametrize(("host", "is_told"), [("mail.example.com", True), ("mail", False), ("127.0.0.1", False)])
    def test_include_mail_that_leaves_the_machine_in_clear(self, host: str, is_told: bool, settings: Any) -> None:
        settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = host, False, False
        found = [message.id for message in checks.check_production_settings(None)]
        assert found == (["smartspec.W002"] if is_told else [])

    def test_of_a_server_for_trying_out_are_its_own_affair(self, settings: Any) -> None:
        settings.STRIPE_LIVE_MODE, settings.TEST_KEYS_ALLOWED = False, True
        assert checks.check_production_settings(None) == []


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exactly the files that .dockerignore lets into the image."""
    folder = tmp_path_factory.mktemp("image")
    lines = (BASE_DIR / ".dockerignore").read_text().splitlines()
    named = [line[1:] for line in lines if line.startswith("!")]
    patterns = [line.removeprefix("**/") for line in lines if line not in ("", "*") and line[0] not in "#!"]

    def ignore(where: str, names: list[str]) -> set[str]:
        here = Path(where).relative_to(BASE_DIR)
        return {name for name in names if any(fnmatch(f"/{here / name}", f"*/{line}") for line in patterns)}

    for name in named:
        source = BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    return folder


def environment(**others: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return inherited | GIVEN | STRIPE | BUCKET | others


def run(image: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=image, env=environment(**variables), capture_output=True, text=True, check=False, timeout=120
    )


class TestImage:
    def test_has_no_test_and_no_stand_in(self, image: Path) -> None:
        assert (image / "manage.py").exists()
        assert not list(image.rglob("tests"))
        assert not [app for app in ("billing", "media") if (image / app / "sandbox").exists()]

    def test_refuses_to_serve_with_an_unsafe_setting(self, image: Path) -> None:
        done = run(image, "-c", "import smartspec.wsgi", SMARTSPEC_DEBUG="true", SMARTSPEC_SITE_URL="http://x.example")
        assert done.returncode != 0
        assert "SMARTSPEC_DEBUG must be false in production" in done.stderr
        assert "SMARTSPEC_SITE_URL must be https in production" in done.stderr


@pytest.mark.serial
@pytest.mark.django_db(transaction=True)
class TestProduction:
    @pytest.fixture
    def served(self, image: Path, tmp_path: Path) -> Iterator[str]:
        """A server started by the command of the Dockerfile; only its port is another."""
        name, port = "test_production_start", free_port()
        copy_database(ensure_template(), name)
        database = settings.DATABASES["default"]
        way = {  # of libpq's own variables, since the embedded server's socket is a folder
            "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@/{name}",
            "PGHOST": database["HOST"],
            "PGPORT": str(database["PORT"] or 5432),
        }
        assert run(image, "manage.py", "collectstatic", "--noinput").returncode == 0
        text = re.sub(r"\\\n", " ", (BASE_DIR / "Dockerfile").read_text())
        words = yaml.safe_load(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
        words = [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in words]
        with (tmp_path / "output.txt").open("w") as output:
            command = [sys.executable, "-m", *words]
            server = subprocess.Popen(command, cwd=image, env=environment(**way), stdout=output, stderr=output)
            try:
                wait_for(f"http://127.0.0.1:{port}/healthz", server, tmp_path / "output.txt")
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(30)
                with maintenance_connection() as connection:
                    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def test_serves_pages_files_and_the_api_and_no_stand_in(self, served: str) -> None:
        tls = {"X-Forwarded-Proto": "https", "Host": "pay.example.com"}
        status, headers, body = fetch(f"{served}/accounts/login/", tls)
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
        assert "Secure" in headers["Set-Cookie"]
        assert headers["Server"] == "gunicorn"  # and not of which version
        assert "X-Powered-By" not in headers
        sheet = re.search(rb'href="(/static/[^"]+\.css)"', body)
        assert sheet is not None
        status, headers, _ = fetch(served + sheet[1].decode(), tls)
        assert status == 200
        assert "immutable" in headers["Cache-Control"]
        assert fetch(f"{served}/api/credits/plans", tls)[0] == 200
        assert fetch(f"{served}/api/me", tls)[0] == 401
        assert fetch(f"{served}/sandbox/stripe/", tls)[0] == 404
        assert fetch(f"{served}/sandbox/mail", tls)[0] == 404
        status, headers, _ = fetch(f"{served}/account", {"Host": "pay.example.com"})
        assert (status, headers["Location"]) == (301, "https://pay.example.com/account")
        assert fetch(f"{served}/metrics", {"Host": "pay.example.com"})[0] == 200  # Prometheus speaks no TLS here
        assert fetch(f"{served}/account", tls | {"Host": "evil.example"})[0] == 400


def fetch(url: str, headers: dict[str, str]) -> tuple[int, Any, bytes]:
    """Return status, headers and body of an answer, wherever it would lead."""
    parts = urlsplit(url)
    server = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    server.request("GET", parts.path, headers=headers)
    answer = server.getresponse()
    return answer.status, answer.headers, answer.read()


def wait_for(url: str, server: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert server.poll() is None, output.read_text()
        try:
            if fetch(url, {"Host": "pay.example.com"})[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(output.read_text())
