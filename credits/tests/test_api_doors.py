"""Who may call what under /api/credits."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from credits import services
from smartspec import clock
from smartspec.users import services as users_services

READS = ["balance", "transactions", "transactions/export", "transactions/summary", "usage/summary", "usage/daily", "usage/models", "holds"]  # fmt: skip  # noqa: E501
WORKER_POSTS = ["holds", "holds/batch", "holds/batch/capture", "holds/1/capture", "holds/1/release", "holds/1/extend", "holds/1/refund"]  # fmt: skip  # noqa: E501
ALL_POSTS = [*WORKER_POSTS, "quote"]
PUBLIC = ["plans", "rates"]


def address(path: str) -> str:
    return f"/api/credits/{path}"


@pytest.fixture
def key_client(alice: Any) -> APIClient:
    """Alice's own program: her plan has `api_access`, her key the scope `read`."""
    now = clock.now()
    services.set_plan(account_id=alice.id, plan="pro", anchor_at=now, paid_until=None, source="sub_1", now=now)
    issued = users_services.create_user_key(user=alice, name="script", scopes=["read"], expires_at=None, now=now)
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")


def refused(answer: Any, status: int) -> str:
    """Return the code of an answer that must be a problem."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    return str(body["code"])


@pytest.mark.django_db
class TestNobody:
    @pytest.mark.parametrize("path", READS)
    def test_reads(self, anonymous_client: APIClient, path: str) -> None:
        answer = anonymous_client.get(address(path))
        refused(answer, 401)
        assert answer.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("path", ALL_POSTS)
    def test_writes(self, anonymous_client: APIClient, path: str) -> None:
        answer = anonymous_client.post(address(path), {})
        refused(answer, 401)
        assert answer.headers["WWW-Authenticate"]

    def test_comes_in_with_a_wrong_key(self) -> None:
        for credentials in ("Api-Key wrong", "Bearer wrong"):
            answer = APIClient(HTTP_AUTHORIZATION=credentials).get(address("balance"))
            refused(answer, 401)
            assert answer.headers["WWW-Authenticate"]


class TestPeople:
    @pytest.mark.parametrize("path", READS)
    def test_read_by_their_own_key(self, key_client: APIClient, path: str) -> None:
        assert key_client.get(address(path)).status_code == 200

    def test_ask_for_a_price_by_their_own_key(self, key_client: APIClient) -> None:
        assert key_client.post(address("quote"), {"operation": "image_generation"}).status_code == 200

    @pytest.mark.parametrize("path", WORKER_POSTS)
    def test_never_hold_or_settle(self, alice_client: APIClient, key_client: APIClient, path: str) -> None:
        assert refused(alice_client.post(address(path), {}), 403) == "missing_scope"
        assert refused(key_client.post(address(path), {}), 403) == "missing_scope"


class TestServices:
    @pytest.mark.parametrize("path", READS)
    def test_own_nothing_to_read(self, worker_client: APIClient, path: str) -> None:
        refused(worker_client.get(address(path)), 403)

    @pytest.mark.parametrize("path", WORKER_POSTS)
    @pytest.mark.django_db
    def test_need_the_scope(self, path: str) -> None:
        issued = users_services.create_service_key(name="uploader", scopes=["media:write"], now=clock.now())
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")
        assert refused(client.post(address(path), {}), 403) == "missing_scope"


class TestMethods:
    @pytest.mark.parametrize("path", [path for path in READS if path != "holds"] + PUBLIC)
    def test_reads_are_read(self, alice_client: APIClient, path: str) -> None:
        for method in ("post", "put", "patch", "delete"):
            assert refused(getattr(alice_client, method)(address(path)), 405) == "method_not_allowed"

    @pytest.mark.parametrize("path", [path for path in ALL_POSTS if path != "holds"])
    def test_orders_are_posted(self, worker_client: APIClient, alice_client: APIClient, path: str) -> None:
        for method in ("get", "put", "patch", "delete"):
            for client in (worker_client, alice_client):
                answer = getattr(client, method)(address(path))
                assert refused(answer, 405) == "method_not_allowed"
                assert "POST" in answer.headers["Allow"]

    def test_holds_are_listed_and_placed(self, worker_client: APIClient, alice_client: APIClient) -> None:
        for client in (worker_client, alice_client):
            assert refused(client.delete(address("holds")), 405) == "method_not_allowed"

    def test_an_unknown_address_is_a_problem(self, alice_client: APIClient) -> None:
        refused(alice_client.get(address("nothing")), 404)
        refused(alice_client.get(address("balance/")), 404)
