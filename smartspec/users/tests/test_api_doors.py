"""Who may call from where, and what the document of the API says about it."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from smartspec.tests.openapi import read_document


@cache
def documented_headers() -> set[str]:
    """Return the headers that calls take by the API's document, those of allauth's calls too."""
    document = read_document()
    described = [*document["components"]["parameters"].values()]
    for item in document["paths"].values():
        for part in (item, *item.values()):
            described += part.get("parameters", []) if isinstance(part, dict) else []
    names = {parameter["name"].lower() for parameter in described if parameter.get("in") == "header"}
    assert {"idempotency-key", "x-session-token"} <= names
    return names


@pytest.mark.django_db
class TestCors:
    @pytest.mark.parametrize("origin", settings.APP_ORIGINS)
    @pytest.mark.parametrize("path", ["/api/me", "/api/auth/app/v1/auth/login"])
    def test_admits_the_app(self, origin: str, path: str) -> None:
        asked = {"authorization", "content-type", *documented_headers()}
        answer = APIClient().options(
            path,
            HTTP_ORIGIN=origin,
            HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
            HTTP_ACCESS_CONTROL_REQUEST_HEADERS=",".join(asked),
        )
        assert answer.status_code == 200
        assert answer["Access-Control-Allow-Origin"] == origin
        assert asked <= {name.strip() for name in answer["Access-Control-Allow-Headers"].split(",")}
        assert {"GET", "POST", "DELETE"} <= set(answer["Access-Control-Allow-Methods"].split(", "))

    def test_shows_the_app_errors_and_the_headers_that_it_needs(self) -> None:
        answer = APIClient().get("/api/me", HTTP_ORIGIN="tauri://localhost")
        assert answer.status_code == 401
        assert answer["Access-Control-Allow-Origin"] == "tauri://localhost"
        assert "retry-after" in answer["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize(
        "origin",
        ["https://evil.test", "http://localhost:1421", "tauri://localhost.evil.test", "null", "xtauri://localhost"],
    )
    def test_admits_nobody_else(self, origin: str) -> None:
        assert "Access-Control-Allow-Origin" not in APIClient().get("/api/me", HTTP_ORIGIN=origin)

    def test_does_not_share_cookies_and_opens_no_pages(self) -> None:
        answer = Client().get("/accounts/login/", HTTP_ORIGIN="tauri://localhost")
        assert "Access-Control-Allow-Origin" not in answer
        assert "Access-Control-Allow-Credentials" not in APIClient().get("/api/me", HTTP_ORIGIN="tauri://localhost")


@pytest.mark.django_db
class TestDocument:
    def test_is_served_with_both_ways_of_calling(self, client: Client) -> None:
        document = client.get("/api/schema", {"format": "json"}).json()
        schemes = document["components"]["securitySchemes"]
        assert schemes["session"]["scheme"] == "bearer"
        assert schemes["key"]["name"] == "Authorization"
        assert {"/api/me", "/api/keys", "/api/keys/{key_id}", "/api/auth/web-session"} <= set(document["paths"])
        assert document["paths"]["/api/me"]["get"]["security"] == [{"session": []}, {"key": []}]

    def test_names_no_way_in_that_is_shut(self) -> None:
        paths = read_document()["paths"]
        ways: dict[tuple[str, str], list[dict[str, list[str]]]] = {
            ("delete", "/api/me"): [{"session": []}],
            ("post", "/api/keys"): [{"session": []}],
            ("get", "/api/keys"): [{"session": []}, {"key": []}],
            ("post", "/api/payment/subscription/cancel"): [{"session": []}],
            ("get", "/api/payment/subscription"): [{"session": []}, {"key": []}],
            ("post", "/api/credits/quote"): [{"session": []}, {"key": []}],
            ("post", "/api/credits/holds"): [{"key": []}],
            ("get", "/api/credits/holds"): [{"session": []}, {"key": []}],
            ("post", "/api/credits/holds/{hold_id}/capture"): [{"key": []}],
            ("post", "/api/media/assets"): [{"session": []}, {"key": []}],
            ("delete", "/api/media/assets/{asset_id}"): [{"session": []}, {"key": []}],
        }
        assert {call: paths[call[1]][call[0]]["security"] for call in ways} == ways
        assert "security" not in paths["/api/credits/plans"]["get"]

    def test_describes_allauths_endpoints_and_not_those_that_are_shut(self, client: Client) -> None:
        document = client.get("/api/schema", {"format": "json"}).json()
        log_in = document["paths"]["/api/auth/app/v1/auth/login"]["post"]
        assert log_in["security"] == [{"session": []}, {}]
        assert "application/problem+json" in log_in["responses"]["default"]["content"]
        assert not [path for path in document["paths"] if "phone" in path]
        used = set(re.findall(r"#/components/(\w+)/(\w+)", json.dumps(document)))
        assert all(name in document["components"][kind] for kind, name in used)

    def test_has_no_warning(self, tmp_path: Path) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))

    def test_is_read_without_a_network(self, client: Client) -> None:
        page = client.get("/api/docs").content.decode()
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "https://" not in page
        assert "/static/drf_spectacular_sidecar/" in page
