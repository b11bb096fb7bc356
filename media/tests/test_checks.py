"""What is wrong with the storage settings is said before anything starts."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as product_settings

from media.checks import check_storage_settings

NAMES = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "BUCKET_NAME", "ENDPOINT")


@pytest.fixture
def r2_settings(settings: Any) -> Any:
    """The settings of a production server with a bucket on R2."""
    settings.PRODUCTION, settings.R2_SANDBOX, settings.R2_SANDBOX_TRANSPORT = True, False, ""
    for name in NAMES:
        setattr(settings, f"CLOUDFLARE_R2_{name}", "given")
    settings.CLOUDFLARE_R2_ENDPOINT = "https://account.r2.cloudflarestorage.com"
    return settings


def ids() -> list[str | None]:
    return [message.id for message in check_storage_settings(None)]


class TestStorageSettings:
    def test_of_a_whole_bucket_are_fine(self, r2_settings: Any) -> None:
        assert ids() == []

    def test_of_the_stand_in_are_fine(self) -> None:
        assert ids() == []

    @pytest.mark.parametrize("name", NAMES)
    def test_are_given_all_or_none(self, r2_settings: Any, name: str) -> None:
        setattr(r2_settings, f"CLOUDFLARE_R2_{name}", "")
        (message,) = check_storage_settings(None)
        assert message.id == "media.E001"
        assert message.msg.startswith(f"CLOUDFLARE_R2_{name} not set")

    def test_name_every_missing_variable(self, r2_settings: Any) -> None:
        for name in NAMES:
            setattr(r2_settings, f"CLOUDFLARE_R2_{name}", "")
        (message,) = check_storage_settings(None)
        assert all(f"CLOUDFLARE_R2_{name}" in message.msg for name in NAMES)

    def test_never_send_files_in_the_clear(self, r2_settings: Any) -> None:
        r2_settings.CLOUDFLARE_R2_ENDPOINT = "http://account.r2.cloudflarestorage.com"
        assert ids() == ["media.E002"]

    def test_do_not_take_the_endpoint_for_a_public_domain(self, r2_settings: Any) -> None:
        r2_settings.CLOUDFLARE_R2_PUBLIC_URL = f"{r2_settings.CLOUDFLARE_R2_ENDPOINT}/bucket"
        assert ids() == ["media.W001"]
        r2_settings.CLOUDFLARE_R2_PUBLIC_URL = "https://media.example.com"
        assert ids() == []


class TestWebServer:
    def test_does_not_open_with_half_of_a_bucket(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDFLARE_")}
        environment |= {
            "CLOUDFLARE_R2_BUCKET_NAME": "media",
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "DJANGO_SETTINGS_MODULE": "smartspec.settings",
        }
        opened = subprocess.run(
            [sys.executable, "-c", "import smartspec.wsgi"],
            cwd=product_settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert opened.returncode != 0
        assert (
            "CLOUDFLARE_R2_ACCESS_KEY_ID, CLOUDFLARE_R2_SECRET_ACCESS_KEY, CLOUDFLARE_R2_ENDPOINT not set"
            in opened.stderr
        )
