"""Staff do for her what she could do herself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from billing.tests.test_backoffice.desk import WHY, page_of, staff_client, text_of
from billing.tests.test_personal_data.person import TRACES, export_of, rows_that_name
from smartspec import clock
from smartspec.testing import make_client, make_user
from smartspec.users import services
from smartspec.users.models import Erasure, StaffAction, User


class TestByStaff:
    def test_is_written_down(self, zephyrine: User, run_jobs: Callable[..., int]) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        agent.user_permissions.set(Permission.objects.filter(codename="erase_user"))
        staff = services.Staff(agent, None, "legal", "Her letter of the 3rd")
        services.erase_by_staff(staff=staff, user=zephyrine, now=clock.now())
        run_jobs()
        assert rows_that_name(*TRACES) == []
        assert StaffAction.objects.get().whom_id == zephyrine.pk

    def test_takes_the_right(self, zephyrine: User) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        with pytest.raises(services.NotPermitted):
            services.erase_by_staff(
                staff=services.Staff(agent, None, "legal", "Her letter"), user=zephyrine, now=clock.now()
            )
        assert not Erasure.objects.exists()

    def test_is_handed_out_as_they_could_take_it_themselves(self, her_client: APIClient, her_life: User) -> None:
        own = export_of(her_client)
        administrator = staff_client("Admin")
        page = page_of(her_life, "hand-out-data")
        assert "one JSON file" in text_of(administrator.post(page, {**WHY, "preview": "1"}))
        answer: Any = administrator.post(page, {**WHY, "confirm": "1"})
        assert "attachment" in answer["Content-Disposition"]
        handed = json.loads(b"".join(answer.streaming_content))
        assert handed.keys() == own.keys()
        for part in own.keys() - {"exported_at", "actions_of_staff"}:
            assert handed[part] == own[part], part
        done = StaffAction.objects.get(action="hand_out_data")
        assert (done.whom_id, done.actor.email, done.note) == (her_life.pk, "admin@staff.test", WHY["note"])

    def test_is_not_done_to_staff(self, db: None) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        answer = make_client(agent).delete("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (409, "staff_not_erased")
        assert EmailAddress.objects.filter(user=agent).exists()
