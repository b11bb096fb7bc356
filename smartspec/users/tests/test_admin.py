"""People and keys in the admin, and the roles of staff."""

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from smartspec import clock
from smartspec.testing import make_user
from smartspec.users import roles, services
from smartspec.users.models import StaffAction, User


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def member_of(group: str) -> User:
    call_command("sync_roles", verbosity=0)
    user: User = make_user(f"{group.lower()}@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def page_of(user: User) -> str:
    return f"/admin/users/user/{user.pk}/change/"


@pytest.fixture
def administrator(db: None) -> Client:
    return client_of(member_of("Admin"))


@pytest.fixture
def support(db: None) -> Client:
    return client_of(member_of("Support"))


@pytest.fixture
def root(db: None) -> User:
    user: User = make_user("root@smartspec.test", is_staff=True, is_superuser=True)
    return user


WHY = {"reason": "customer_asked", "note": "Ticket 7"}
INLINE = {"emailaddress_set-TOTAL_FORMS": "0", "emailaddress_set-INITIAL_FORMS": "0"} | WHY
RIGHTS = {"is_staff": "on", "is_superuser": "on"}


class TestUsers:
    @pytest.mark.parametrize("term", ["alice@smartspec.test", "ALICE@smart", "Alice", "id"])
    def test_are_found_by_mail_name_and_id(self, support: Client, alice: User, bob: User, term: str) -> None:
        answer = support.get("/admin/users/user/", {"q": str(alice.pk) if term == "id" else term})
        assert list(answer.context["cl"].result_list) == [alice]

    def test_are_renamed_and_deactivated_by_administrators(self, administrator: Client, alice: User) -> None:
        answer = administrator.post(page_of(alice), INLINE | {"name": "Alicia"})
        assert answer.status_code == 302
        alice.refresh_from_db()
        assert (alice.name, alice.is_active) == ("Alicia", False)
        done = StaffAction.objects.get()
        assert (done.action, done.whom, done.reason, done.note) == ("change_person", alice, *WHY.values())
        assert (done.before["is_active"], done.after["is_active"]) == (True, False)
        assert "Alicia" not in str(done.after)  # what is personal is kept in one place

    def test_are_not_changed_without_a_reason(self, administrator: Client, alice: User) -> None:
        answer = administrator.post(page_of(alice), INLINE | {"name": "Alicia", "note": ""})
        assert answer.status_code == 200
        alice.refresh_from_db()
        assert alice.name == "Alice"

    def test_get_rights_from_superusers_alone(self, administrator: Client, root: User, alice: User) -> None:
        wanted = INLINE | RIGHTS | {"name": "Alice", "is_active": "on"}
        administrator.post(page_of(alice), wanted)
        alice.refresh_from_db()
        assert not alice.is_staff
        assert not alice.is_superuser
        client_of(root).post(page_of(alice), wanted)
        alice.refresh_from_db()
        assert alice.is_staff
        assert alice.is_superuser

    def test_of_the_staff_are_changed_by_superusers_alone(self, administrator: Client, root: User) -> None:
        assert administrator.post(page_of(root), INLINE | {"name": "Nobody"}).status_code == 403

    def test_never_take_their_own_rights_away(self, root: User) -> None:
        assert client_of(root).post(page_of(root), INLINE | {"name": "Root"}).status_code == 302
        root.refresh_from_db()
        assert root.is_active
        assert root.is_superuser

    def test_keep_address_and_password_to_themselves(self, root: User, alice: User) -> None:
        changes = {"email": "eve@smartspec.test", "password": "x", "name": "Alice", "is_active": "on"}
        client_of(root).post(page_of(alice), INLINE | changes)
        assert User.objects.get(pk=alice.pk).email == alice.email
        assert User.objects.get(pk=alice.pk).password == alice.password
        assert client_of(root).get(f"/admin/users/user/{alice.pk}/password/", follow=True).status_code != 500


class TestKeys:
    @pytest.fixture
    def key(self, db: None) -> services.IssuedKey:
        return services.create_service_key(name="worker", scopes=["credits:spend"], now=clock.now())

    def test_show_prefix_and_scopes_and_never_the_digest(self, root: User, key: services.IssuedKey) -> None:
        client = client_of(root)
        for url in ("/admin/users/apikey/", f"/admin/users/apikey/{key.key.pk}/change/"):
            page = client.get(url).content.decode()
            assert key.key.prefix in page
            assert "credits:spend" in page
            assert key.key.digest not in page
            assert key.secret not in page

    def revoke(self, client: Client, key: services.IssuedKey, why: dict[str, str]) -> Any:
        return client.post(f"/admin/users/apikey/do/revoke/?row={key.key.pk}", why, follow=True)

    def test_are_revoked_with_a_reason_and_on_record(self, administrator: Client, key: services.IssuedKey) -> None:
        assert b"cannot be undone" in administrator.get(f"/admin/users/apikey/do/revoke/?row={key.key.pk}").content
        self.revoke(administrator, key, {})
        key.key.refresh_from_db()
        assert key.key.revoked_at is None
        for _ in range(2):  # twice changes nothing more
            assert self.revoke(administrator, key, WHY).status_code == 200
        with pytest.raises(services.InvalidKey):
            services.use_key(text=key.secret, now=clock.now())
        done = StaffAction.objects.get()
        assert (done.action, done.reference_id, done.note) == ("revoke_key", key.key.prefix, "Ticket 7")

    def test_of_services_are_not_revoked_by_support(self, support: Client, key: services.IssuedKey) -> None:
        assert "Your role does not allow this." in self.revoke(support, key, WHY).content.decode()
        key.key.refresh_from_db()
        assert key.key.revoked_at is None
        assert not StaffAction.objects.exists()

    def test_of_people_are_revoked_by_support(self, support: Client, alice_on_pro: User) -> None:
        key = services.create_user_key(user=alice_on_pro, name="mine", scopes=["read"], now=clock.now())
        self.revoke(support, key, WHY)
        key.key.refresh_from_db()
        assert key.key.revoked_at is not None

    def test_are_revoked_by_nobody_who_only_looks(self, key: services.IssuedKey) -> None:
        auditor = client_of(member_of("Auditor"))
        assert b"do/revoke" not in auditor.get(f"/admin/users/apikey/{key.key.pk}/change/").content
        assert self.revoke(auditor, key, WHY).status_code == 403
        key.key.refresh_from_db()
        assert key.key.revoked_at is None


class TestSessions:
    def test_show_the_device_and_never_the_token(self, root: User, alice: User) -> None:
        token = "a-token-that-opens-the-account"
        session = UserSession.objects.create(user=alice, ip="127.0.0.1", session_key=token, user_agent="Desktop 1")
        client = client_of(root)
        for url in ("/admin/usersessions/usersession/", f"/admin/usersessions/usersession/{session.pk}/change/"):
            page = client.get(url).content.decode()
            assert "Desktop 1" in page
            assert token not in page


class TestRoles:
    def test_are_the_same_however_often_they_are_synced(self, db: None) -> None:
        def rights() -> dict[str, set[str]]:
            groups = Group.objects.prefetch_related("permissions__content_type")
            return {group.name: {str(right) for right in group.permissions.all()} for group in groups}

        call_command("sync_roles", verbosity=0)
        once = rights()
        call_command("sync_roles", verbosity=0)
        assert rights() == once
        assert set(once) == {"Support", "Billing", "Auditor", "Admin"}

    def test_are_there_as_soon_as_the_database_is(self, db: None) -> None:
        before = {group.name: set(group.permissions.all()) for group in Group.objects.all()}
        call_command("sync_roles", verbosity=0)
        assert {group.name: set(group.permissions.all()) for group in Group.objects.all()} == before

    def test_let_an_auditor_look_at_everything_and_change_nothing(self, db: None) -> None:
        user = member_of("Auditor")
        shown = {roles.right_name(model, "view") for model in admin.site._registry if model is not Group}
        assert user.get_all_permissions() == shown

    @pytest.mark.parametrize("role", roles.RIGHTS)
    def test_name_rights_that_exist(self, role: str, db: None) -> None:
        rights = roles.list_rights(role)
        assert len(roles.find_permissions(rights)) == len(rights)

    @pytest.mark.parametrize("role", roles.RIGHTS)
    def test_never_reach_rows_of_the_ledger(self, role: str, db: None) -> None:
        ledger = ("account", "entry", "grant", "hold", "entrytotal", "usageday", "keyrecord", "daytotal", "adjustment")
        writing = {f"credits.{action}_{model}" for action in ("add", "change", "delete") for model in ledger}
        assert not writing & roles.list_rights(role)

    def test_put_right_what_somebody_changed(self, db: None) -> None:
        user = member_of("Support")
        group = Group.objects.get(name="Support")
        wanted = set(group.permissions.values_list("pk", flat=True))
        group.permissions.clear()
        call_command("sync_roles", verbosity=0)
        assert set(group.permissions.values_list("pk", flat=True)) == wanted
        assert group in user.groups.all()

    @pytest.mark.parametrize("group", roles.RIGHTS)
    def test_leave_groups_to_superusers(self, group: str, db: None) -> None:
        client = client_of(member_of(group))
        answers: list[Any] = [client.get("/admin/auth/group/"), client.post("/admin/auth/group/add/", {"name": "x"})]
        assert [answer.status_code for answer in answers] == [403, 403]

    def test_are_looked_at_by_superusers_and_changed_by_nobody(self, root: User) -> None:
        client, group = client_of(root), Group.objects.get(name="Support")
        page = f"/admin/auth/group/{group.pk}/change/"
        assert "users.revoke_key" in client.get(page).content.decode()
        refused = (
            ("/admin/auth/group/add/", {"name": "x"}),
            (page, {"name": "x"}),
            (page.replace("change", "delete"), {"post": "yes"}),
        )
        assert [client.post(url, asked).status_code for url, asked in refused] == [403] * 3
        assert {group.name for group in Group.objects.all()} == set(roles.RIGHTS)
