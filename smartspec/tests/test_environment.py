"""A wrong environment stops the start with a sentence that names the variable."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from smartspec.environment import Environment

NO_FILE = Path("/no/such/file")
EXAMPLE = Path(settings.BASE_DIR) / ".env.example"
SETTINGS_SOURCE = Path(settings.BASE_DIR) / "smartspec" / "settings.py"


def start(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py version` in an environment with `variables`, against a database that is never opened."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SMARTSPEC_", "STRIPE_"))}
    return subprocess.run(
        [sys.executable, "manage.py", "version"],
        cwd=settings.BASE_DIR,
        env=environment | {"DATABASE_URL": "postgres://nobody@localhost/none"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


class TestStart:
    def test_succeeds_with_nothing_but_a_database(self) -> None:
        assert start().returncode == 0

    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            (
                {"STRIPE_SECERT_KEY": "x"},
                "STRIPE_SECERT_KEY is set, but no such variable exists. Did you mean STRIPE_SECRET_KEY?",
            ),
            ({"PORT": "80a"}, "PORT must be a whole number from 1 to 65535, but is '80a'."),
            ({"PORT": "70000"}, "PORT must be a whole number"),
            ({"SMARTSPEC_DEBUG": "yes"}, "SMARTSPEC_DEBUG must be true or false, but is 'yes'."),
            ({"SMARTSPEC_ENVIRONMENT": "prod"}, "SMARTSPEC_ENVIRONMENT must be one of local, production"),
            ({"SMARTSPEC_SITE_URL": "pay.example.com"}, "SMARTSPEC_SITE_URL must be a URL"),
            ({"SMARTSPEC_SITE_URL": "https://pay.example.com/shop"}, "SMARTSPEC_SITE_URL must be a URL"),
            ({"SMARTSPEC_SITE_URL": "https://me:pw@pay.example.com"}, "without path or user"),
            ({"SMARTSPEC_APP_SCHEMES": "smartspec,https"}, "SMARTSPEC_APP_SCHEMES must be schemes of the app's own"),
            ({"SMARTSPEC_APP_SCHEMES": "javascript"}, "and not have 'javascript'"),
            ({"SMARTSPEC_APP_ORIGINS": "*"}, "SMARTSPEC_APP_ORIGINS must be origins"),
            ({"SMARTSPEC_APP_ORIGINS": "tauri://localhost,null"}, "but has 'null'"),
            ({"SMARTSPEC_APP_ORIGINS": "https://app.example.com/x"}, "SMARTSPEC_APP_ORIGINS must be origins"),
            ({"SMARTSPEC_OPERATOR_EMAILS": "ops@example.com,notanaddress"}, "but has 'notanaddress'"),
            ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with postgres://"),
            ({"EMAIL_URL": "mail.example.com"}, "EMAIL_URL must be a URL"),
            ({"SENTRY_DSN": "https://nonsense"}, "SENTRY_DSN must be an address such as https://key@"),
            ({"SMARTSPEC_DATA_DIR": "/dev/null"}, "SMARTSPEC_DATA_DIR must be a folder, but /dev/null is none."),
            ({"SMARTSPEC_DATA_DIR": "/dev/null/x"}, "SMARTSPEC_DATA_DIR must be a folder, but /dev/null is none."),
            (
                {"DATABASE_URL": "", "SMARTSPEC_DATA_DIR": "/proc/x"},
                "SMARTSPEC_DATA_DIR must be a folder that can be written",
            ),
            ({"SMARTSPEC_ENVIRONMENT": "production"}, "SMARTSPEC_SECRET_KEY must be set in production"),
        ],
    )
    def test_is_refused_with_a_sentence(self, variables: dict[str, str], sentence: str) -> None:
        result = start(**variables)
        assert result.returncode == 2
        assert result.stderr.startswith("Cannot start: ")
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr

    def test_does_not_print_a_wrong_key(self) -> None:
        result = start(STRIPE_SECRET_KEY="whsec_not_for_the_log")
        assert "STRIPE_SECRET_KEY must begin with sk_test_" in result.stderr
        assert "not_for_the_log" not in result.stderr


class TestAddresses:
    @pytest.mark.parametrize("value", ["http://[abc", "http://localhost:99999", "http://localhost:abc", "http://:8000"])
    @pytest.mark.parametrize("read", [Environment.url, Environment.site])
    def test_without_a_host_or_a_port_that_there_is_are_refused(
        self, read: Any, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SITE", value)
        with pytest.raises(ImproperlyConfigured, match=r"^SITE must be a URL such as"):
            read(Environment(NO_FILE), "SITE", "")

    @pytest.mark.parametrize("value", ["http://localhost:99999", "http://[::1::2]"])
    def test_of_apps_are_refused_alike(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ORIGINS", f"tauri://localhost,{value}")
        with pytest.raises(ImproperlyConfigured, match=r"^ORIGINS must be origins"):
            Environment(NO_FILE).origins("ORIGINS", ())

    @pytest.mark.parametrize("value", ["nonsense", "SmartSpec <nonsense>", "a@example.com, b@example.com", "SmartSpec"])
    def test_of_a_sender_are_addresses(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SENDER", value)
        with pytest.raises(ImproperlyConfigured, match=r"^SENDER must be an e-mail address"):
            Environment(NO_FILE).sender("SENDER", "")

    @pytest.mark.parametrize("value", ["pay@example.com", '"SmartSpec Pro, Inc." <pay@example.com>'])
    def test_of_a_sender_may_have_a_name(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SENDER", value)
        assert Environment(NO_FILE).sender("SENDER", "") == value


class TestEmailUrl:
    @pytest.mark.parametrize(
        "value",
        [
            *("smtp://h:abc", "smtp://h:99999", "smtp://[abc", "smtp://", "smtp://me:pw@", "smtp://h:25?timeout=1"),
            *("smtp://u:secret#12@h:25", "smtp://u:secret/12@h:25", "smtp://u:secret?12@h:25", "smtp://u:12#secret@h"),
            *("smtp://u:12/secret@h:25", "smtp://u:12?secret@h:25"),
        ],
    )
    def test_that_would_be_misread_is_refused_without_a_word_of_it(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EMAIL_URL", value)
        with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL must be a URL such as smtp") as refusal:
            Environment(NO_FILE).email("EMAIL_URL")
        assert "%23" in str(refusal.value)
        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize("end", ["", "/"])
    def test_is_read_with_its_password_whole(self, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EMAIL_URL", f"smtp+tls://u:p%23x%2F%3F@mail.example.com:587{end}")
        found = Environment(NO_FILE).email("EMAIL_URL") or {}
        assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", 587)
        assert (found["EMAIL_HOST_PASSWORD"], found["EMAIL_USE_TLS"]) == ("p#x/?", True)

    def test_may_be_the_console(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EMAIL_URL", "consolemail://")
        assert Environment(NO_FILE).email("EMAIL_URL")


class TestDatabaseUrl:
    def read(self, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setenv("DATABASE_URL", url)
        return Environment(NO_FILE).database("DATABASE_URL") or {}

    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("postgres://u:secret@h:abc/x", "must be a URL such as postgres://user:password@host:5432/name"),
            ("postgres://u:secret@h:99999999/x", "must be a URL such as"),
            ("postgres://u:secret/1@h/x", "must be a URL such as"),
            ("postgres://u:1/secret@h/x", "must be a URL such as"),
            ("postgres://u:1?secret@h/x", "must be a URL such as"),
            ("postgres://u:secret?1@h/x", "must be a URL such as"),
            ("postgres://", "must name a database"),
            ("postgres://u:secret@h", "must name a database"),
            ("postgres://u:secret@h/", "must name a database"),
            ("postgres://u:secret@h/x?pool=true", "takes behind its ? what libpq knows"),
            ("postgres://u:secret@h/x?atomic_requests=true", "takes behind its ? what libpq knows"),
        ],
    )
    def test_that_would_be_misread_is_refused_without_a_word_of_it(
        self, url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^DATABASE_URL {re.escape(sentence)}") as refusal:
            self.read(url, monkeypatch)
        assert "secret" not in str(refusal.value)

    def test_may_name_a_service_of_libpqs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.read("postgres://?service=shop", monkeypatch)["OPTIONS"] == {"service": "shop"}

    def test_has_a_password_of_any_letters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.read("postgres://u:p%2F%3F%40%23@h/x", monkeypatch)["PASSWORD"] == "p/?@#"

    def test_may_name_the_folder_of_a_socket_behind_the_question_mark(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.read("postgres://web@/shop?host=/cloudsql/one:two&port=0543&sslmode=require", monkeypatch)
        assert (found["HOST"], found["PORT"], found["NAME"]) == ("/cloudsql/one:two", "0543", "shop")
        assert found["OPTIONS"] == {"sslmode": "require"}

    def test_may_name_who_comes_and_where_to_behind_it_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.read("postgres://?user=web&password=007&dbname=shop&host=db", monkeypatch)
        assert [found[name] for name in ("USER", "PASSWORD", "NAME", "HOST")] == ["web", "007", "shop", "db"]


class TestExampleFile:
    def test_lists_every_variable_in_the_order_of_the_settings(self) -> None:
        listed = [line.split("=")[0] for line in EXAMPLE.read_text().splitlines() if "=" in line and line[0] != "#"]
        source = SETTINGS_SOURCE.read_text()
        positions = [source.index(f'"{name}"') for name in listed]
        assert positions == sorted(positions)
        read = re.findall(r"\benv\.(\w+)\(", source)
        assert len(read) - read.count("reject_unknown") == len(listed)
