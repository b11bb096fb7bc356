"""What staff do: who may, with a preview, a reason and a record."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.tests.test_backoffice.desk import ACTIONS, ROLES, WHY, bring_about, do, page_of, staff_client, text_of
from smartspec import backoffice, clock
from smartspec.users.models import StaffAction, User


class TestActions:
    def test_are_all_tried_here(self) -> None:
        assert {filled.name for filled in backoffice.actions} == set(ACTIONS)

    @pytest.mark.parametrize("action", ACTIONS)
    def test_preview_change_nothing_and_are_written_down_when_done(
        self, alice: User, alice_client: APIClient, action: str
    ) -> None:
        client, (fields, _) = staff_client("Admin"), ACTIONS[action]
        target = bring_about(alice, action, alice_client, clock.now())
        before = StaffAction.objects.count()
        assert client.get(page_of(alice, action), {"target": target}).status_code == 200
        content = {"key": str(uuid4()), "target": target, **WHY, **fields}
        preview = client.post(page_of(alice, action), content | {"preview": "1"})
        assert preview.status_code == 200, text_of(preview)
        assert "What will happen" in text_of(preview)
        assert StaffAction.objects.count() == before
        done = client.post(page_of(alice, action), content | {"confirm": "1"})
        assert done.status_code == 302 or done.streaming, text_of(done)
        assert StaffAction.objects.count() == before + 1
        written = StaffAction.objects.latest("pk")
        assert (written.whom, written.reason, written.note) == (alice, WHY["reason"], WHY["note"])
        assert written.address == "127.0.0.1"
        assert written.before
        assert written.after
        assert written.before != written.after
        assert client.get(page_of(alice)).status_code == 200

    @pytest.mark.parametrize("role", ROLES)
    def test_refuse_and_log_who_may_not(self, alice: User, role: str, caplog: Any) -> None:
        client = staff_client(role)
        refused = [action for action, (_, allowed) in ACTIONS.items() if role not in allowed]
        for action in refused:
            content = {"key": str(uuid4()), "target": "x", **WHY, **ACTIONS[action][0], "confirm": "1"}
            assert client.get(page_of(alice, action), {"target": "x"}).status_code == 403
            assert client.post(page_of(alice, action), content).status_code == 403
        assert caplog.text.count("'event': 'Refused a staff action'") == 2 * len(refused)
        assert not StaffAction.objects.exists()

    def test_let_those_pass_who_may(self, alice: User) -> None:
        clients = {role: staff_client(role) for role in ROLES}
        for action, (_, allowed) in ACTIONS.items():
            for role in allowed:
                assert clients[role].get(page_of(alice, action), {"target": "x"}).status_code != 403

    def test_want_a_reason_and_a_note(self, alice: User) -> None:
        client = staff_client("Admin")
        for action, (fields, _) in ACTIONS.items():
            for missing in WHY:
                content = {"key": str(uuid4()), "target": "x", **WHY, **fields, "confirm": "1", missing: ""}
                answer = client.post(page_of(alice, action), content)
                assert answer.status_code == 200
                assert answer.context["form"].errors[missing]
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize("action", [name for name, filled in ACTIONS.items() if name not in ("end-sessions",)])
    def test_about_somebody_elses_things_find_nothing(
        self, alice: User, bob: User, alice_client: APIClient, action: str
    ) -> None:
        target = bring_about(alice, action, alice_client, clock.now())
        if not target:
            return
        before = StaffAction.objects.count()
        fields, _ = ACTIONS[action]
        _, after = do(staff_client("Admin"), bob, action, target, **fields)
        assert after.status_code in (404, 409)
        assert StaffAction.objects.count() == before

    def test_that_do_not_exist_are_unknown(self, alice: User) -> None:
        client = staff_client("Admin")
        for action in ("make-rich", "refund-purchase"):  # the second one needs to know of which purchase
            assert client.get(page_of(alice, action)).status_code == 404

    def test_take_back_what_was_typed(self, decider: Client, alice: User) -> None:
        content = {**WHY, "direction": "give", "credits": "7", "key": str(uuid4()), "change": "1"}
        answer = decider.post(page_of(alice, "adjust-credits"), content)
        assert answer.context["form"]["credits"].value() == "7"
        assert "What will happen" not in text_of(answer)
