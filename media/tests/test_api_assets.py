"""/api/media, told by what its callers see."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from media import services
from media.tests.conftest import MEGABYTE, PNG, Announce, Store, fetch, put
from media.tests.test_api_doors import MEDIA, ORDER, refused
from smartspec import clock

pytestmark = pytest.mark.django_db


def send(client: APIClient, body: bytes = PNG, **changes: Any) -> dict[str, Any]:
    """Announce, send and complete a file, as the app does, and return the asset."""
    created = client.post(f"{MEDIA}/assets", ORDER | {"size_bytes": len(body)} | changes).json()
    assert put(created["upload"]["url"], body, created["upload"]["headers"]).status_code == 200
    answer = client.post(f"{MEDIA}/assets/{created['asset']['id']}/complete")
    assert answer.status_code == 200
    return dict(answer.json()["asset"])


class TestUpload:
    def test_from_announcement_to_playing(self, alice: Any, alice_client: APIClient) -> None:
        answer = alice_client.post(f"{MEDIA}/assets", ORDER)
        assert answer.status_code == 201
        created = answer.json()
        asset, upload = created["asset"], created["upload"]
        assert asset["key"] == f"generations/{alice.pk}/{asset['id']}.png"
        assert (asset["status"], asset["url"]) == ("uploading", None)
        assert set(upload) == {"method", "url", "headers", "expires_at"}
        assert upload["method"] == "PUT"

        early = alice_client.post(f"{MEDIA}/assets/{asset['id']}/complete")
        assert refused(early, 409) == "upload_missing"
        assert put(upload["url"], PNG, upload["headers"]).status_code == 200
        done = alice_client.post(f"{MEDIA}/assets/{asset['id']}/complete")
        assert done.status_code == 200
        assert alice_client.post(f"{MEDIA}/assets/{asset['id']}/complete").json()["asset"]["status"] == "stored"
        assert fetch(done.json()["asset"]["url"]).getvalue() == PNG

    def test_refusals_say_what_to_do(self, alice_client: APIClient) -> None:
        answer = alice_client.post(f"{MEDIA}/assets", ORDER | {"content_type": "image/svg+xml"})
        assert refused(answer, 422) == "type_not_allowed"
        assert "image/png" in answer.json()["allowed"]
        answer = alice_client.post(f"{MEDIA}/assets", ORDER | {"size_bytes": 101 * MEGABYTE})
        assert refused(answer, 422) == "quota_exceeded"
        assert (answer.json()["used_bytes"], answer.json()["quota_bytes"]) == (0, 100 * MEGABYTE)
        answer = alice_client.post(f"{MEDIA}/assets", ORDER | {"size_bytes": 10**10})
        assert refused(answer, 413) == "file_too_large"

    def test_without_a_bucket_is_503(self, alice_client: APIClient, settings: Any) -> None:
        settings.CLOUDFLARE_R2_BUCKET_NAME = ""
        assert refused(alice_client.post(f"{MEDIA}/assets", ORDER), 503) == "storage_not_configured"
        assert alice_client.get(f"{MEDIA}/usage").json()["used_bytes"] == 0

    def test_that_the_bucket_cannot_confirm_is_502_and_may_be_tried_again(
        self, alice_client: APIClient, settings: Any
    ) -> None:
        created = alice_client.post(f"{MEDIA}/assets", ORDER).json()
        put(created["upload"]["url"], PNG, created["upload"]["headers"])
        transport, settings.R2_SANDBOX_TRANSPORT = settings.R2_SANDBOX_TRANSPORT, "media.tests.outage.refuse"
        url = f"{MEDIA}/assets/{created['asset']['id']}/complete"
        assert refused(alice_client.post(url), 502) == "storage_unavailable"
        settings.R2_SANDBOX_TRANSPORT = transport
        assert alice_client.post(url).status_code == 200


class TestList:
    def test_is_newest_first_by_kind_and_page(self, alice_client: APIClient, store: Store) -> None:
        names = []
        for number in range(7):
            kind, content_type = (("image", "image/png"), ("audio", "audio/mpeg"))[number % 2]
            now = clock.now()
            names.append(str(store(1000, at=now, kind=kind, content_type=content_type).pk))
        answer = alice_client.get(f"{MEDIA}/assets?limit=3").json()
        assert (answer["total"], answer["pages"], answer["page"], answer["limit"]) == (7, 3, 1, 3)
        assert [asset["id"] for asset in answer["assets"]] == names[:3:-1]
        answer = alice_client.get(f"{MEDIA}/assets?limit=3&page=3").json()
        assert [asset["id"] for asset in answer["assets"]] == names[:1]
        assert alice_client.get(f"{MEDIA}/assets?limit=3&page=4").json()["assets"] == []
        answer = alice_client.get(f"{MEDIA}/assets?kind=audio").json()
        assert [asset["id"] for asset in answer["assets"]] == names[5::-2]
        assert alice_client.get(f"{MEDIA}/assets?kind=video").json()["total"] == 0

    def test_shows_what_is_stored_alone(
        self, alice: Any, alice_client: APIClient, store: Store, announce: Announce
    ) -> None:
        kept, gone = store(1000, at=clock.now()), store(1000, at=clock.now())
        announce(now=clock.now())
        services.delete_asset(asset_id=str(gone.pk), user_id=alice.pk, now=clock.now())
        answer = alice_client.get(f"{MEDIA}/assets").json()
        assert [asset["id"] for asset in answer["assets"]] == [str(kept.pk)]
        assert answer["assets"][0]["url"].startswith("http://localhost:8000/sandbox/r2/")

    def test_reads_as_much_for_the_last_page_as_for_the_first(
        self, alice_client: APIClient, store: Store, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(5):
            store(1000, at=clock.now())
        for page in (1, 2, 5):
            with django_assert_max_num_queries(8):
                assert len(alice_client.get(f"{MEDIA}/assets?limit=1&page={page}").json()["assets"]) == 1


class TestBlocks:
    def test_lead_to_every_page_wherever_assets_are_missing(self, alice: Any, store: Store, now: Any) -> None:
        from media import selectors
        from media.models import Asset, StorageAccount

        kept = []
        for number in range(1, 13):
            asset = store(1000)
            # As if some 300 assets had been announced between each and the next: 3 to 4 assets in two blocks.
            StorageAccount.objects.update(asset_count=number * 300)
            kept.append(asset)
        for asset in kept[3:8]:
            services.delete_asset(asset_id=str(asset.pk), user_id=alice.pk, now=now + timedelta(hours=1))
        expected = [asset.pk for asset in [*kept[8:][::-1], *kept[:3][::-1]]]
        assert Asset.objects.filter(status="stored").count() == len(expected)
        for limit in (1, 2, 3, 5, 20):
            found = []
            for page in range(1, -(-len(expected) // limit) + 1):
                found += [a.pk for a in selectors.list_assets(user_id=alice.pk, page=page, limit=limit).assets]
            assert found == expected


class TestOne:
    def test_has_a_fresh_url_for_as_long_as_asked(self, alice_client: APIClient) -> None:
        asset = send(alice_client)
        for query, seconds in (("", "3600"), ("?expires_in=60", "60"), ("?expires_in=86400", "86400")):
            url = alice_client.get(f"{MEDIA}/assets/{asset['id']}{query}").json()["asset"]["url"]
            assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [seconds]
            assert fetch(url).status_code == 200

    def test_is_gone_after_it_was_deleted(self, alice_client: APIClient) -> None:
        asset = send(alice_client)
        for _ in range(2):
            assert alice_client.delete(f"{MEDIA}/assets/{asset['id']}").status_code == 204
        assert refused(alice_client.get(f"{MEDIA}/assets/{asset['id']}"), 404) == "unknown_asset"
        assert refused(alice_client.post(f"{MEDIA}/assets/{asset['id']}/complete"), 404) == "unknown_asset"
        assert fetch(asset["url"]).status_code == 404


class TestUsage:
    def test_of_nobody_who_stored_anything_is_zero(self, alice_client: APIClient) -> None:
        assert alice_client.get(f"{MEDIA}/usage").json() == {
            "used_bytes": 0,
            "quota_bytes": 100 * MEGABYTE,
            "objects": 0,
            "estimated_monthly_credits": 0,
            "stored_bytes": 0,
            "arrears_credits": 0,
            "unpaid_since": None,
        }

    def test_moves_with_what_is_stored(
        self, alice_client: APIClient, store: Store, on_plan: Callable[..., None]
    ) -> None:
        on_plan("pro", at=clock.now())
        asset = store(2_500_000_000, at=clock.now())
        found = alice_client.get(f"{MEDIA}/usage").json()
        assert (found["used_bytes"], found["objects"], found["estimated_monthly_credits"]) == (2_500_000_000, 1, 0.025)
        assert found["quota_bytes"] == 5_000 * MEGABYTE
        alice_client.delete(f"{MEDIA}/assets/{asset.pk}")
        found = alice_client.get(f"{MEDIA}/usage").json()
        assert (found["used_bytes"], found["objects"], found["estimated_monthly_credits"]) == (2_500_000_000, 0, 0)
