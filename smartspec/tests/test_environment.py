"""A wrong environment stops the start with a sentence that names the variable."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from smartspec.environment import Environment

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
            ({"SMARTSPEC_ENVIRONMENT": "production"}, "SMARTSPEC_SECRET_KEY must be set in production"),
        ],
    )
    def test_is_refused_with_a_sentence(self, variables: dict[str, str], sentence: str) -> None:
        result = start(**variables)
        assert result.returncode == 1
        assert result.stderr.startswith("Cannot start: ")
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr

    def test_does_not_print_a_wrong_key(self) -> None:
        result = start(STRIPE_SECRET_KEY="whsec_not_for_the_log")
        assert "STRIPE_SECRET_KEY must begin with sk_test_" in result.stderr
        assert "not_for_the_log" not in result.stderr


class TestDatabaseUrl:
    def read(self, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setenv("DATABASE_URL", url)
        return Environment(Path("/no/such/file")).database("DATABASE_URL") or {}

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
