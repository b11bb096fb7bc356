"""How production is shut: what its settings become, and what every answer carries."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import CommandError, call_command
from django.test import Client

from smartspec.users.models import User

GIVEN = {
    "SMARTSPEC_ENVIRONMENT": "production",
    "SMARTSPEC_SITE_URL": "https://pay.example.com",
    "SMARTSPEC_ALLOWED_HOSTS": "pay.example.com",
    "SMARTSPEC_SECRET_KEY": "s" * 60,
    "SMARTSPEC_ADDRESS_HASH_KEY": "a" * 60,
    "DATABASE_URL": "postgres://nobody@localhost/none",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
}
SHOW = """
import json
from django.conf import settings
from django.urls import get_resolver
kept = [name for name in dir(settings) if name.isupper() and name != "STRIPE_PRICES"]  # keys that are no words
print(json.dumps({name: getattr(settings, name) for name in kept}, default=str))
print(json.dumps([str(pattern.pattern) for pattern in get_resolver().url_patterns]))
"""
PAGES = (
    *("/accounts/login/", "/admin/login/", "/api/schema", "/api/docs", "/api/docs?script="),
    *("/api/credits/balance", "/healthz", "/no-such-page"),
)


@pytest.fixture(scope="module")
def production() -> tuple[dict[str, Any], list[str]]:
    """The settings and the URL map of a production server, seen in a process of its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SMARTSPEC_", "STRIPE_", "CLOUDFLARE_R2_"))
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SHOW],
        cwd=settings.BASE_DIR,
        env=inherited | GIVEN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown, urls = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    return shown, urls


class TestSettings:
    def test_send_cookies_over_tls_alone_and_hide_them_from_scripts(self, production: Any) -> None:
        found = production[0]
        assert found["SESSION_COOKIE_SECURE"]
        assert found["CSRF_COOKIE_SECURE"]
        assert found["SESSION_COOKIE_HTTPONLY"]
        assert found["SESSION_COOKIE_SAMESITE"] == "Lax"
        # Under these names a browser takes them from this very host alone.
        assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("__Host-sessionid", "__Host-csrftoken")

    def test_answer_over_tls_alone_for_a_year(self, production: Any) -> None:
        found = production[0]
        assert found["SECURE_SSL_REDIRECT"]
        assert found["SECURE_HSTS_SECONDS"] >= 31_536_000
        assert found["SECURE_HSTS_INCLUDE_SUBDOMAINS"]

    def test_have_no_stand_in(self, production: Any) -> None:
        found, urls = production
        assert not any(found[name] for name in ("STRIPE_SANDBOX", "R2_SANDBOX", "MAIL_SANDBOX", "DEBUG"))
        assert not [app for app in found["INSTALLED_APPS"] if "sandbox" in app]
        assert not [url for url in urls if "sandbox" in url]

    def test_keep_passwords_by_a_slow_hash_with_a_salt_each(self, production: Any) -> None:
        assert production[0]["PASSWORD_HASHERS"][0] == "django.contrib.auth.hashers.PBKDF2PasswordHasher"
        assert PBKDF2PasswordHasher.iterations >= 600_000
        assert PBKDF2PasswordHasher.salt_entropy >= 128

    def test_ask_staff_for_a_second_factor(self, production: Any) -> None:
        assert production[0]["STAFF_TWO_FACTOR"]
        assert production[0]["STAFF_SESSION_SECONDS"] <= 12 * 3600

    def test_trust_one_proxy_about_the_address_of_a_caller(self, production: Any) -> None:
        assert production[0]["REST_FRAMEWORK"]["NUM_PROXIES"] == production[0]["ALLAUTH_TRUSTED_PROXY_COUNT"] == 1


@pytest.mark.django_db
class TestAccounts:
    def test_are_none_until_somebody_makes_one(self, settings: Any) -> None:
        assert not User.objects.exists()
        settings.PRODUCTION = True
        for command in ("seed_demo", "run_local"):
            with pytest.raises(CommandError, match="production"):
                call_command(command)
        assert not User.objects.exists()


@pytest.mark.django_db
class TestEveryAnswer:
    @pytest.mark.parametrize("path", PAGES)
    def test_forbids_frames_sniffing_foreign_scripts_and_telling_where_one_came_from(self, path: str) -> None:
        headers = Client().get(path).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        assert "default-src 'self'" in policy

    @pytest.mark.parametrize("path", PAGES)
    def test_tells_of_what_type_it_is_and_a_text_in_which_characters(self, path: str, client: Client) -> None:
        kind = client.get(path).headers["Content-Type"]
        assert "charset=utf-8" in kind or not kind.startswith("text/")

    @pytest.mark.parametrize("path", [*PAGES, "/account", "/accounts/password/change/", "/accounts/2fa/", "/api/me"])
    def test_is_kept_by_no_browser_and_no_proxy(self, path: str, alice: Any) -> None:
        person = Client()
        person.force_login(alice)
        for client in (Client(), person):
            assert "no-store" in client.get(path).headers["Cache-Control"]

    def test_of_the_api_is_no_page_when_a_browser_opens_it(self, client: Client) -> None:
        for path in ("/api/credits/plans", "/api/me", "/api/nowhere", "/api/auth/app/v1/config"):
            opened = client.get(path, headers={"sec-fetch-dest": "document"})
            assert opened.headers["Content-Disposition"] == 'attachment; filename="api.json"'
            assert "Content-Disposition" not in client.get(path, headers={"sec-fetch-dest": "empty"}).headers
        assert "Content-Disposition" not in client.get("/api/docs").headers

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example"])
    def test_is_refused_to_another_host(self, host: str, client: Client) -> None:
        for path in ("/accounts/login/", "/api/credits/packages", "/account"):
            assert client.get(path, headers={"host": host}).status_code == 400

    def test_is_not_led_elsewhere_by_the_proxys_headers(self, client: Client) -> None:
        answer = client.get("/account", headers={"x-forwarded-host": "evil.example"})
        assert "evil.example" not in answer.headers.get("Location", "")

    @pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
    def test_of_a_log_in_leads_nowhere_else(self, where: str, alice: Any, client: Client) -> None:
        from smartspec.testing import PASSWORD

        answer = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD, "next": where})
        assert answer.status_code == 302
        assert answer["Location"] == "/account"

    def test_to_a_form_without_its_token_is_a_refusal(self, alice: Any) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(alice)
        assert strict.post("/accounts/logout/").status_code == 403
