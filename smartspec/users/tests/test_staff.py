"""What staff do is allowed by their role, and written down for good."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import InternalError, connection, transaction
from django.db.utils import IntegrityError

from smartspec.testing import make_user
from smartspec.users import services
from smartspec.users.models import StaffAction, User

RIGHT = "users.view_user"


@pytest.fixture
def agent(db: None) -> User:
    user: User = make_user("agent@smartspec.test", is_staff=True)
    user.user_permissions.add(Permission.objects.get(content_type__app_label="users", codename="view_user"))
    return user


def staff(user: User, reason: str = "goodwill", note: str = "Ticket 7") -> services.Staff:
    return services.Staff(user, "192.0.2.7", reason, note)


class TestRights:
    def test_let_those_pass_who_have_them(self, agent: User) -> None:
        services.require_right(staff(agent), RIGHT)

    def test_refuse_everybody_else(self, agent: User, alice: User) -> None:
        with pytest.raises(services.NotPermitted):
            services.require_right(staff(agent), "users.delete_user")
        with pytest.raises(services.NotPermitted):
            services.require_right(staff(alice), RIGHT)

    def test_end_with_the_job(self, agent: User) -> None:
        for change in ({"is_active": False}, {"is_active": True, "is_staff": False}):
            User.objects.filter(pk=agent.pk).update(**change)
            with pytest.raises(services.NotPermitted):
                services.require_right(staff(User.objects.get(pk=agent.pk)), RIGHT)


class TestStaffActions:
    def test_say_who_did_what_to_whom_why_and_from_where(self, agent: User, alice: User, now: datetime) -> None:
        services.record_action(
            staff=staff(agent),
            action="freeze_account",
            whom=alice,
            before={"frozen": []},
            after={"frozen": ["staff"]},
            now=now,
        )
        done = StaffAction.objects.get()
        assert (done.actor, done.whom, done.action, done.reason) == (agent, alice, "freeze_account", "goodwill")
        assert (done.note, done.address, done.created_at) == ("Ticket 7", "192.0.2.7", now)
        assert (done.before, done.after) == ({"frozen": []}, {"frozen": ["staff"]})

    @pytest.mark.parametrize("missing", [{"reason": ""}, {"reason": "because"}, {"note": "  "}])
    def test_always_have_a_reason_and_a_note(self, agent: User, now: datetime, missing: dict[str, str]) -> None:
        with pytest.raises(services.ReasonMissing):
            services.record_action(staff=staff(agent, **missing), action="freeze_account", now=now)
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("note", "kept"),
        [
            ("Alice Adams (alice@smartspec.test) called.", "[their name] ([their address]) called."),
            ("By mail from ALICE@SmartSpec.test", "By mail from [their address]"),
            ("malice@smartspec.test wrote, Malice Adams too", "malice@smartspec.test wrote, Malice Adams too"),
            ("bob@smartspec.test pays for her", "bob@smartspec.test pays for her"),
        ],
    )
    def test_name_nobody_they_are_about(self, agent: User, alice: User, now: datetime, note: str, kept: str) -> None:
        alice.name = "Alice Adams"
        for whom, expected in ((alice, kept), (None, note)):
            done = services.record_action(staff=staff(agent, note=note), action="look", whom=whom, now=now)
            assert done.note == expected

    @pytest.mark.parametrize("name", ["", "Ticket"])
    def test_keep_their_words_about_somebody_without_a_full_name(self, agent: User, now: datetime, name: str) -> None:
        nameless = make_user("nobody@smartspec.test", name=name)
        assert services.record_action(staff=staff(agent), action="look", whom=nameless, now=now).note == "Ticket 7"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE users_staffaction SET note = 'nothing'",
            "DELETE FROM users_staffaction",
            "TRUNCATE users_staffaction",
        ],
    )
    def test_are_never_changed(self, agent: User, now: datetime, statement: str) -> None:
        services.record_action(staff=staff(agent), action="freeze_account", now=now)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises((InternalError, IntegrityError), match="never changed"), transaction.atomic():
            connection.cursor().execute(statement)
        assert StaffAction.objects.get().note == "Ticket 7"


class TestChangesOfAPerson:
    @pytest.fixture
    def administrator(self, agent: User) -> services.Staff:
        agent.user_permissions.add(Permission.objects.get(content_type__app_label="users", codename="change_user"))
        return staff(User.objects.get(pk=agent.pk))

    @pytest.fixture
    def superuser(self, db: None) -> services.Staff:
        return staff(make_user("root@smartspec.test", is_staff=True, is_superuser=True))

    def test_are_written_down(self, superuser: services.Staff, alice: User, now: datetime) -> None:
        changes = {"is_staff": True, "groups": Group.objects.filter(name="Support")}
        services.change_person_by_staff(staff=superuser, user=alice, changes=changes, now=now)
        alice.refresh_from_db()
        assert alice.is_staff
        assert alice.groups.get().name == "Support"
        done = StaffAction.objects.get()
        assert (done.actor, done.action, done.whom, done.created_at) == (superuser.user, "change_person", alice, now)
        assert (done.before, done.after) == (
            {"is_staff": False, "groups": []},
            {"is_staff": True, "groups": ["Support"]},
        )

    def test_leave_no_line_where_there_are_none(self, superuser: services.Staff, alice: User, now: datetime) -> None:
        services.change_person_by_staff(staff=superuser, user=alice, changes={}, now=now)
        assert not StaffAction.objects.exists()

    def test_are_not_made_without_a_reason(self, superuser: services.Staff, alice: User, now: datetime) -> None:
        nameless = staff(superuser.user, reason="")
        with pytest.raises(services.ReasonMissing):
            services.change_person_by_staff(staff=nameless, user=alice, changes={"name": "Eve"}, now=now)
        alice.refresh_from_db()
        assert alice.name == "Alice"

    def test_give_rights_by_superusers_alone(self, administrator: services.Staff, alice: User, now: datetime) -> None:
        alice.is_staff = True  # as a form leaves it
        with pytest.raises(services.NotPermitted):
            services.change_person_by_staff(staff=administrator, user=alice, changes={"is_staff": True}, now=now)
        assert not User.objects.get(pk=alice.pk).is_staff

    def test_of_the_staff_are_for_superusers_alone(
        self, administrator: services.Staff, superuser: services.Staff, now: datetime
    ) -> None:
        changes = {"is_active": False}
        with pytest.raises(services.NotPermitted):
            services.change_person_by_staff(staff=administrator, user=superuser.user, changes=changes, now=now)
        services.change_person_by_staff(staff=superuser, user=administrator.user, changes=changes, now=now)
        assert not User.objects.get(pk=administrator.user.pk).is_active

    @pytest.mark.parametrize("changes", [{"is_superuser": False}, {"is_active": False}])
    def test_lock_nobody_out_by_their_own_hand(
        self, superuser: services.Staff, now: datetime, changes: dict[str, bool]
    ) -> None:
        with pytest.raises(services.NotPermitted):
            services.change_person_by_staff(staff=superuser, user=superuser.user, changes=changes, now=now)
        assert User.objects.get(pk=superuser.user.pk).is_superuser
