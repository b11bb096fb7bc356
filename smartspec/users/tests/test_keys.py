"""API keys: a service's, and a person's own."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from smartspec import clock
from smartspec.api import HasScope, IsUser
from smartspec.users import keys, services
from smartspec.users.models import ApiKey, User, WaitingMail

pytestmark = pytest.mark.django_db


def client_with_key(secret: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")


def make_service_key(**changes: Any) -> services.IssuedKey:
    wanted: dict[str, Any] = {"name": "worker", "scopes": ["credits:spend"], "now": clock.now()}
    return services.create_service_key(**(wanted | changes))


def make_user_key(user: User, **changes: Any) -> services.IssuedKey:
    wanted: dict[str, Any] = {"user": user, "name": "script", "scopes": ["read"], "now": clock.now()}
    return services.create_user_key(**(wanted | changes))


class SpendView(APIView):
    """What a worker calls."""

    permission_classes = (HasScope("credits:spend"),)

    def post(self, request: Request) -> Response:
        caller: Any = request.user
        return Response({"caller": str(caller), "is_service": caller.is_service, "id": caller.id})


class UploadView(APIView):
    """What people do with a session or a key that may upload, and workers for people."""

    permission_classes = (IsUser | HasScope("media:write"),)

    def post(self, request: Request) -> Response:
        return Response({})


class AskView(APIView):
    """A POST that changes nothing."""

    key_scope = "read"

    def post(self, request: Request) -> Response:
        return Response({})


def call(view: type[APIView], secret: str = "", **headers: str) -> Any:
    headers = {"HTTP_AUTHORIZATION": f"Api-Key {secret}"} | headers
    return view.as_view()(APIRequestFactory().post("/", **headers)).render()


class TestServiceKey:
    def test_is_stored_hashed_and_found_by_its_prefix(self) -> None:
        issued = make_service_key()
        stored = ApiKey.objects.get()
        assert issued.secret.startswith(f"{stored.prefix}_")
        secret_part = issued.secret.removeprefix(f"{stored.prefix}_")
        assert len(secret_part) == 43
        assert all(secret_part not in str(value) for value in ApiKey.objects.values().get().values())
        assert stored.digest == keys.digest(issued.secret)

    def test_calls_as_a_service_and_nobody(self) -> None:
        answer = call(SpendView, make_service_key(name="worker-1").secret)
        assert answer.data == {"caller": "worker-1", "is_service": True, "id": None}

    def test_without_the_scope_is_refused_by_name_of_the_scope(self) -> None:
        answer = call(SpendView, make_service_key(scopes=["media:write", "read"]).secret)
        assert (answer.status_code, answer.data["code"], answer.data["required"]) == (
            403,
            "missing_scope",
            "credits:spend",
        )

    def test_is_no_person(self) -> None:
        answer = client_with_key(make_service_key(scopes=keys.SERVICE_SCOPES).secret).get("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_user")

    def test_is_refused_once_revoked(self) -> None:
        issued = make_service_key()
        assert call(SpendView, issued.secret).status_code == 200
        services.revoke_service_key(prefix_or_name=issued.key.prefix, now=clock.now())
        answer = call(SpendView, issued.secret)
        assert (answer.status_code, answer.data["detail"]) == (401, "This API key has been revoked.")
        assert "Api-Key" in answer["WWW-Authenticate"]

    def test_is_refused_once_expired(self) -> None:
        before = clock.now() - timedelta(days=2)
        issued = make_service_key(now=before, expires_at=before + timedelta(days=1))
        answer = call(SpendView, issued.secret)
        assert (answer.status_code, answer.data["detail"]) == (401, "This API key has expired.")

    @pytest.mark.parametrize(
        "change",
        [
            lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"),
            lambda secret: secret[:-1],
            lambda secret: secret + "x",
            lambda secret: "suk" + secret[3:],
            lambda secret: "",
            lambda secret: "' OR 1=1 --",
        ],
    )
    def test_is_refused_when_one_character_differs(self, change: Callable[[str], str]) -> None:
        answer = call(SpendView, change(make_service_key().secret))
        assert (answer.status_code, answer.data["code"]) == (401, "invalid_api_key")

    def test_notes_its_use_without_a_write_for_each_call(self, django_assert_num_queries: Any) -> None:
        issued = make_service_key()
        now = clock.now()
        services.use_key(text=issued.secret, now=now)
        with django_assert_num_queries(1):  # the look-up
            services.use_key(text=issued.secret, now=now + timedelta(seconds=59))
        assert ApiKey.objects.get().last_used_at == now
        services.use_key(text=issued.secret, now=now + timedelta(seconds=60))
        assert ApiKey.objects.get().last_used_at == now + timedelta(seconds=60)


class TestScopesOfPeople:
    def test_a_session_needs_none(self, alice_client: APIClient) -> None:
        authorization = alice_client._credentials or alice_client.defaults  # type: ignore[attr-defined]
        answer = call(UploadView, HTTP_AUTHORIZATION=authorization["HTTP_AUTHORIZATION"])
        assert answer.status_code == 200
        assert call(SpendView, HTTP_AUTHORIZATION=authorization["HTTP_AUTHORIZATION"]).status_code == 403

    def test_a_key_that_reads_never_writes(self, alice_on_pro: User) -> None:
        secret = make_user_key(alice_on_pro).secret
        assert client_with_key(secret).get("/api/me").json()["email"] == alice_on_pro.email
        answer = call(UploadView, secret)
        assert (answer.status_code, answer.data["code"], answer.data["required"]) == (
            403,
            "missing_scope",
            "media:write",
        )

    def test_a_key_that_uploads_uploads_and_does_not_read(self, alice_on_pro: User) -> None:
        secret = make_user_key(alice_on_pro, scopes=["media:write"]).secret
        assert call(UploadView, secret).status_code == 200
        answer = client_with_key(secret).get("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")

    def test_a_view_may_let_keys_that_read_ask_by_post(self, alice_on_pro: User) -> None:
        assert call(AskView, make_user_key(alice_on_pro).secret).status_code == 200
        assert call(AskView, make_user_key(alice_on_pro, scopes=["media:write"]).secret).status_code == 403


class TestKeysEndpoint:
    def test_makes_a_key_and_shows_it_once(self, alice_client: APIClient, alice_on_pro: User) -> None:
        answer = alice_client.post("/api/keys", {"name": "script", "scopes": ["read", "read", "media:write"][1:]})
        assert answer.status_code == 201
        made = answer.json()
        assert client_with_key(made.pop("key")).get("/api/me").status_code == 200
        listed = alice_client.get("/api/keys").json()["keys"]
        assert listed[0].pop("last_used_at") is not None
        assert made.pop("last_used_at") is None
        assert listed == [made]
        assert made["scopes"] == ["media:write", "read"]
        assert made["prefix"].startswith("suk_")

    def test_is_refused_while_the_plan_has_no_api_access(self, alice_client: APIClient) -> None:
        answer = alice_client.post("/api/keys", {"name": "script", "scopes": ["read"]})
        assert (answer.status_code, answer.json()["code"], answer.json()["feature"]) == (
            403,
            "feature_not_in_plan",
            "api_access",
        )
        assert alice_client.get("/api/keys").json() == {"keys": []}

    def test_a_key_rests_while_the_plan_has_lapsed(self, alice_on_pro: User) -> None:
        from smartspec.users.tests import plans

        secret = make_user_key(alice_on_pro).secret
        plans.on_pro.clear()
        answer = client_with_key(secret).get("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "feature_not_in_plan")
        plans.on_pro.add(alice_on_pro.pk)
        assert client_with_key(secret).get("/api/me").status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"scopes": ["read"]}, "name"),
            ({"name": "", "scopes": ["read"]}, "name"),
            ({"name": "x" * 101, "scopes": ["read"]}, "name"),
            ({"name": "x", "scopes": []}, "scopes"),
            ({"name": "x", "scopes": ["credits:spend"]}, "scopes.0"),
            ({"name": "x", "scopes": "read"}, "scopes"),
            ({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"name": "x", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, body: dict[str, Any], field: str, alice_client: APIClient, alice_on_pro: User
    ) -> None:
        answer = alice_client.post("/api/keys", body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    def test_deletes_a_key_for_good(self, alice_client: APIClient, alice_on_pro: User) -> None:
        issued = make_user_key(alice_on_pro)
        assert alice_client.delete(f"/api/keys/{issued.key.pk}").status_code == 204
        assert client_with_key(issued.secret).get("/api/me").status_code == 401
        assert alice_client.get("/api/keys").json() == {"keys": []}
        assert alice_client.delete(f"/api/keys/{issued.key.pk}").status_code == 404

    def test_another_users_key_does_not_exist(
        self, alice_on_pro: User, alice_client: APIClient, bob_client: APIClient
    ) -> None:
        issued = make_user_key(alice_on_pro)
        answer = bob_client.delete(f"/api/keys/{issued.key.pk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert bob_client.delete(f"/api/keys/{uuid.uuid4()}").json() == answer.json()
        assert bob_client.get("/api/keys").json() == {"keys": []}
        assert client_with_key(issued.secret).get("/api/me").status_code == 200

    def test_a_services_key_is_nobodys_to_delete(self, alice_client: APIClient) -> None:
        assert alice_client.delete(f"/api/keys/{make_service_key().key.pk}").status_code == 404

    def test_a_key_cannot_make_or_delete_keys(self, alice_on_pro: User) -> None:
        issued = make_user_key(alice_on_pro, scopes=["read", "media:write"])
        client = client_with_key(issued.secret)
        assert client.get("/api/keys").status_code == 200
        assert client.post("/api/keys", {"name": "more", "scopes": ["read"]}).status_code == 403
        assert client.delete(f"/api/keys/{issued.key.pk}").status_code == 403

    def test_there_are_twenty_at_most(self, alice_client: APIClient, alice_on_pro: User) -> None:
        for _ in range(services.KEYS_PER_USER):
            make_user_key(alice_on_pro)
        answer = alice_client.post("/api/keys", {"name": "more", "scopes": ["read"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")

    @pytest.mark.parametrize(("method", "path"), [("get", "/api/keys"), ("post", "/api/keys"), ("get", "/api/me")])
    def test_an_anonymous_caller_is_challenged(self, method: str, path: str, anonymous_client: APIClient) -> None:
        answer = getattr(anonymous_client, method)(path)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert answer["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(("method", "path"), [("put", "/api/keys"), ("post", "/api/me"), ("get", "/api/keys/{id}")])
    def test_a_wrong_method_is_405(self, method: str, path: str, alice_client: APIClient) -> None:
        answer = getattr(alice_client, method)(path.format(id=uuid.uuid4()))
        assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")


class TestEnd:
    """Of a key that ends in six days."""

    def told_of(self, user: User, **changes: Any) -> list[str]:
        now = clock.now()
        made = {"now": now - timedelta(days=60), "expires_at": now + timedelta(days=6)}
        make_user_key(user, **(made | changes))
        for _ in range(2):
            services.warn_of_ending_keys(now=now)
        return list(WaitingMail.objects.values_list("text", flat=True))

    def test_is_told_once_a_week_before(self, alice_on_pro: User) -> None:
        (body,) = self.told_of(alice_on_pro)
        assert f"“script”, which begins with {ApiKey.objects.get().prefix}, ends on" in body
        assert services.warn_of_ending_keys(now=clock.now() + timedelta(days=5)) == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"expires_at": None},
            {"expires_at": clock.now() + timedelta(days=8)},
            {"expires_at": clock.now() - timedelta(days=1)},
            {"now": clock.now()},
        ],
        ids=["without an end", "later", "over", "made for less than a week"],
    )
    def test_is_not_told_of_another(self, changes: Any, alice_on_pro: User) -> None:
        assert self.told_of(alice_on_pro, **changes) == []

    def test_is_not_told_of_one_that_was_revoked(self, alice_on_pro: User) -> None:
        now = clock.now()
        key = make_user_key(alice_on_pro, now=now - timedelta(days=60), expires_at=now + timedelta(days=6)).key
        services.revoke_user_key(user=alice_on_pro, key_id=key.pk, now=now)
        assert services.warn_of_ending_keys(now=now) == 0

    def test_of_a_services_key_is_nobodys_mail(self) -> None:
        now = clock.now()
        make_service_key(now=now - timedelta(days=60), expires_at=now + timedelta(days=6))
        assert services.warn_of_ending_keys(now=now) == 0


class TestCommands:
    def run(self, *words: str) -> str:
        out = StringIO()
        call_command(*words, stdout=out, stderr=StringIO())
        return out.getvalue()

    def test_create_prints_the_key_alone(self) -> None:
        secret = self.run("create_service_key", "--name", "w", "--scopes", "credits:spend,read", "media:write").strip()
        assert call(SpendView, secret).status_code == 200
        assert ApiKey.objects.get().scopes == ["credits:spend", "media:write", "read"]

    def test_create_takes_a_day_on_which_the_key_ends(self) -> None:
        self.run("create_service_key", "--name", "w", "--scopes", "read", "--expires", "2999-01-31")
        assert str(ApiKey.objects.get().expires_at) == "2999-01-31 00:00:00+00:00"

    @pytest.mark.parametrize(
        "words",
        [
            ("--name", "w", "--scopes", "everything"),
            ("--name", "w", "--scopes", ","),
            ("--name", "", "--scopes", "read"),
            ("--name", " ", "--scopes", "read"),
            ("--name", "two\nlines", "--scopes", "read"),
            ("--name", "\x1b[31mred", "--scopes", "read"),
            ("--name", "w", "--scopes", "read", "--expires", "2020-01-01"),
            ("--name", "w", "--scopes", "read", "--expires", "soon"),
            ("--name", "w", "--scopes", "read", "--expires", "2999-02-31"),
        ],
    )
    def test_create_refuses_what_makes_no_sense(self, words: tuple[str, ...]) -> None:
        with pytest.raises(CommandError) as refusal:
            self.run("create_service_key", *words)
        assert refusal.value.returncode == 2 or "argument" in str(refusal.value)  # argparse has the same code itself
        assert not ApiKey.objects.exists()

    def test_list_and_revoke_go_by_prefix_or_name(self) -> None:
        issued = make_service_key(name="worker-7")
        assert f"{issued.key.prefix}  live      never used" in self.run("list_service_keys")
        assert "is revoked" in self.run("revoke_service_key", "worker-7")
        assert "is revoked" in self.run("revoke_service_key", issued.key.prefix)
        assert f"{issued.key.prefix}  revoked" in self.run("list_service_keys")
        assert call(SpendView, issued.secret).status_code == 401

    def test_revoke_takes_a_whole_key_for_its_prefix(self) -> None:
        issued = make_service_key()
        assert f"Key {issued.key.prefix} of" in self.run("revoke_service_key", issued.secret)
        assert call(SpendView, issued.secret).status_code == 401

    def test_revoke_repeats_no_secret(self) -> None:
        issued = make_service_key()
        issued.key.delete()
        with pytest.raises(CommandError, match=f"is called {issued.key.prefix}\\. ") as refusal:
            self.run("revoke_service_key", issued.secret)
        assert refusal.value.returncode == 2

    def test_revoke_does_not_guess(self) -> None:
        make_service_key(name="twin")
        make_service_key(name="twin")
        with pytest.raises(CommandError, match="No single service key is called twin"):
            self.run("revoke_service_key", "twin")
        assert not ApiKey.objects.exclude(revoked_at=None).exists()


class TestConstraints:
    """Going around the services."""

    @pytest.mark.parametrize(
        "change",
        [
            {"scopes": []},
            {"scopes": ["everything"]},
            {"digest": "plain"},
            {"expires_at": clock.now() - timedelta(days=9)},
        ],
    )
    def test_refuse_a_key_that_makes_no_sense(self, change: dict[str, Any]) -> None:
        make_service_key()
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.update(**change)

    def test_refuse_a_persons_key_that_spends(self, alice: User) -> None:
        make_service_key()
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.update(user=alice)
