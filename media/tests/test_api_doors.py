"""Who may call what under /api/media, and how."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from credits import services as credits_services
from media.models import Asset
from media.storage import R2Client
from media.tests.conftest import PNG, Announce, Store, put, service_client
from smartspec import clock
from smartspec.users import services as users_services

MEDIA = "/api/media"
ORDER = {"filename": "cat.png", "content_type": "image/png", "size_bytes": len(PNG), "kind": "image"}
CALLS = [
    ("get", "/assets"),
    ("post", "/assets"),
    ("get", "/assets/{id}"),
    ("delete", "/assets/{id}"),
    ("post", "/assets/{id}/complete"),
    ("get", "/usage"),
]
SOMEWHERE = str(uuid4())


def call(client: APIClient, method: str, path: str, asset_id: str = SOMEWHERE, body: Any = None) -> Any:
    return getattr(client, method)(MEDIA + path.replace("{id}", asset_id), body)


def refused(answer: Any, status: int) -> str:
    """Return the code of an answer that must be a problem."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    return str(body["code"])


@pytest.fixture
def stored(announce: Announce) -> Store:
    """Return a function that uploads a file of Alice's in the present."""
    from media import services

    def run() -> Asset:
        announced = announce(now=clock.now())
        put(announced.url, PNG, announced.headers)
        return services.complete_upload(asset_id=str(announced.asset.pk), now=clock.now())

    return run


@pytest.fixture
def key_client(alice: Any) -> Any:
    """Return a function that makes a client of Alice's own program, whose key has these scopes."""
    now = clock.now()
    credits_services.set_plan(account_id=alice.pk, plan="pro", anchor_at=now, paid_until=None, source="sub_1", now=now)

    def make(*scopes: str) -> APIClient:
        issued = users_services.create_user_key(user=alice, name="script", scopes=scopes, expires_at=None, now=now)
        return APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")

    return make


@pytest.mark.django_db
class TestNobody:
    @pytest.mark.parametrize(("method", "path"), CALLS)
    def test_comes_in(self, anonymous_client: APIClient, method: str, path: str) -> None:
        for client in (anonymous_client, APIClient(HTTP_AUTHORIZATION="Api-Key wrong")):
            answer = call(client, method, path)
            refused(answer, 401)
            assert answer.headers["WWW-Authenticate"]


class TestAnotherUser:
    def test_sees_changes_and_deletes_nothing(
        self, bob_client: APIClient, stored: Store, announce: Announce, r2: R2Client
    ) -> None:
        for asset in (stored(), announce(now=clock.now()).asset):
            assert refused(call(bob_client, "get", "/assets/{id}", str(asset.pk)), 404) == "unknown_asset"
            assert refused(call(bob_client, "delete", "/assets/{id}", str(asset.pk)), 404) == "unknown_asset"
            assert refused(call(bob_client, "post", "/assets/{id}/complete", str(asset.pk)), 404) == "unknown_asset"
        assert call(bob_client, "get", "/assets").json()["total"] == 0
        assert call(bob_client, "get", "/usage").json()["used_bytes"] == 0
        assert Asset.objects.filter(status="stored").count() == 1

    def test_uploads_for_nobody_else(self, alice: Any, bob_client: APIClient) -> None:
        answer = call(bob_client, "post", "/assets", body=ORDER | {"user_id": str(alice.pk)})
        assert refused(answer, 404) == "unknown_user"
        assert not Asset.objects.exists()

    def test_is_answered_like_one_who_asks_for_what_never_was(self, alice_client: APIClient) -> None:
        for asset_id in (SOMEWHERE, "1", "nonsense"):
            for method, path in (
                ("get", "/assets/{id}"),
                ("delete", "/assets/{id}"),
                ("post", "/assets/{id}/complete"),
            ):
                assert refused(call(alice_client, method, path, asset_id), 404) == "unknown_asset"


class TestOwnKey:
    def test_reads_with_read(self, key_client: Any, stored: Store) -> None:
        client, asset_id = key_client("read"), str(stored().pk)
        for path in ("/assets", "/assets/{id}", "/usage"):
            assert call(client, "get", path, asset_id).status_code == 200
        for method, path in (("post", "/assets"), ("delete", "/assets/{id}"), ("post", "/assets/{id}/complete")):
            assert refused(call(client, method, path, asset_id, ORDER), 403) == "missing_scope"

    def test_uploads_and_deletes_with_media_write(self, key_client: Any) -> None:
        client = key_client("media:write")
        created = call(client, "post", "/assets", body=ORDER).json()
        put(created["upload"]["url"], PNG, created["upload"]["headers"])
        asset_id = created["asset"]["id"]
        assert call(client, "post", "/assets/{id}/complete", asset_id).json()["asset"]["status"] == "stored"
        assert refused(call(client, "get", "/assets/{id}", asset_id), 403) == "missing_scope"
        assert call(client, "delete", "/assets/{id}", asset_id).status_code == 204


class TestWorker:
    def test_uploads_for_a_user(self, alice: Any, alice_client: APIClient, uploader_client: APIClient) -> None:
        order = ORDER | {"user_id": str(alice.pk), "reference_id": "job-1"}
        answer = call(uploader_client, "post", "/assets", body=order)
        assert answer.status_code == 201
        created = answer.json()
        put(created["upload"]["url"], PNG, created["upload"]["headers"])
        asset_id = created["asset"]["id"]
        done = call(uploader_client, "post", "/assets/{id}/complete", asset_id, {"user_id": str(alice.pk)})
        assert done.json()["asset"]["status"] == "stored"
        assert call(uploader_client, "post", "/assets/{id}/complete", asset_id).status_code == 200
        (listed,) = call(alice_client, "get", "/assets").json()["assets"]
        assert (listed["id"], listed["reference_id"]) == (asset_id, "job-1")

    def test_says_for_whom(self, bob: Any, uploader_client: APIClient, stored: Store) -> None:
        answer = call(uploader_client, "post", "/assets", body=ORDER)
        assert refused(answer, 400) == "invalid"
        assert [error["attr"] for error in answer.json()["errors"]] == ["user_id"]
        answer = call(uploader_client, "post", "/assets", body=ORDER | {"user_id": SOMEWHERE})
        assert refused(answer, 404) == "unknown_user"
        wrong = call(uploader_client, "post", "/assets/{id}/complete", str(stored().pk), {"user_id": str(bob.pk)})
        assert refused(wrong, 404) == "unknown_asset"

    def test_needs_the_scope(self, alice: Any, worker_client: APIClient) -> None:
        order = ORDER | {"user_id": str(alice.pk)}
        assert refused(call(worker_client, "post", "/assets", body=order), 403) == "missing_scope"
        assert refused(call(worker_client, "post", "/assets/{id}/complete"), 403) == "missing_scope"

    def test_owns_nothing_to_read_or_delete(self, stored: Store) -> None:
        client, asset_id = service_client("media:write", "read", "credits:spend"), str(stored().pk)
        for method, path in (
            ("get", "/assets"),
            ("get", "/assets/{id}"),
            ("get", "/usage"),
            ("delete", "/assets/{id}"),
        ):
            refused(call(client, method, path, asset_id), 403)


class TestMethods:
    @pytest.mark.parametrize("path", sorted({path for _, path in CALLS}))
    def test_that_are_not_there_are_405_to_everybody(
        self, alice_client: APIClient, uploader_client: APIClient, path: str
    ) -> None:
        allowed = {method for method, own in CALLS if own == path}
        for method in {"get", "post", "put", "patch", "delete"} - allowed:
            for client in (alice_client, uploader_client):
                answer = call(client, method, path)
                assert refused(answer, 405) == "method_not_allowed"
                assert allowed <= set(answer.headers["Allow"].lower().split(", "))


class TestMalformed:
    @pytest.mark.parametrize(
        ("change", "attr"),
        [
            ({"filename": None}, "filename"),
            ({"filename": ""}, "filename"),
            ({"filename": "a" * 256}, "filename"),
            ({"filename": "a\nb.png"}, "filename"),
            ({"filename": "a\u2028b.png"}, "filename"),
            ({"filename": "a\u2029b.png"}, "filename"),
            ({"filename": "a\u0085b.png"}, "filename"),
            ({"filename": "cat\u202egnp.exe"}, "filename"),
            ({"filename": "cat\u2066gnp.exe"}, "filename"),
            ({"content_type": "png"}, "content_type"),
            ({"content_type": "image/png\r\nx: y"}, "content_type"),
            ({"content_type": 7}, "content_type"),
            ({"size_bytes": 0}, "size_bytes"),
            ({"size_bytes": -1}, "size_bytes"),
            ({"size_bytes": "1000"}, "size_bytes"),
            ({"size_bytes": 1.5}, "size_bytes"),
            ({"size_bytes": True}, "size_bytes"),
            ({"size_bytes": 10**30}, "size_bytes"),
            ({"kind": "picture"}, "kind"),
            ({"kind": None}, "kind"),
            ({"user_id": "me"}, "user_id"),
            ({"reference_id": "a" * 256}, "reference_id"),
        ],
    )
    def test_order_is_refused_with_the_field(self, alice_client: APIClient, change: dict[str, Any], attr: str) -> None:
        answer = call(alice_client, "post", "/assets", body=ORDER | change)
        assert refused(answer, 400) == "invalid"
        assert [error["attr"] for error in answer.json()["errors"]] == [attr]
        assert not Asset.objects.exists()

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Screenshot 2026-03-10 at 9.41.00\u202fAM.png", id="of a Mac's screenshot"),
            pytest.param("non\u00a0breaking.png", id="with a space that does not break"),
            pytest.param("\u732b\u3000\u5199\u771f.png", id="with an ideographic space"),
            pytest.param("\u0e41\u0e21\u0e27\u200b\u0e2a\u0e49\u0e21.png", id="with a place to break Thai"),
            pytest.param("\U0001f469\u200d\U0001f4bb.png", id="of joined emoji"),
            pytest.param("soft\u00adhyphen.png", id="with a soft hyphen"),
        ],
    )
    def test_is_no_ordinary_name(self, alice_client: APIClient, name: str) -> None:
        created = alice_client.post(f"{MEDIA}/assets", ORDER | {"filename": name})
        assert created.status_code == 201, created.json()
        assert created.json()["asset"]["filename"] == name

    @pytest.mark.parametrize("body", ["{", "[]", '"text"', "null"])
    def test_body_is_refused(self, alice_client: APIClient, body: str) -> None:
        answer = alice_client.post(f"{MEDIA}/assets", body, content_type="application/json")
        refused(answer, 400)

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/assets", "kind=picture"),
            ("/assets", "page=0"),
            ("/assets", "page=x"),
            ("/assets", "limit=0"),
            ("/assets", "limit=101"),
            ("/assets/{id}", "expires_in=59"),
            ("/assets/{id}", "expires_in=86401"),
            ("/assets/{id}", "expires_in=soon"),
        ],
    )
    def test_query_is_refused(self, alice_client: APIClient, stored: Store, path: str, query: str) -> None:
        refused(call(alice_client, "get", f"{path}?{query}", str(stored().pk)), 400)
