"""Rows of every state are shown everywhere."""

from datetime import timedelta

import pytest
from django.test import Client

from billing.tests.test_admin import list_url, page_url
from billing.tests.test_backoffice.desk import do, page_of, staff_client, text_of
from billing.tests.test_backoffice.states import make_credits, make_rows
from credits.models import Adjustment, Entry, Grant, Hold
from smartspec import clock
from smartspec.users.models import User


class TestEveryState:
    """Rows of every state are shown: in lists, on pages of their own, on the person's page, on the home page."""

    def test_is_shown_everywhere(self, alice: User) -> None:
        client, now = staff_client("Auditor"), clock.now() - timedelta(minutes=5)
        make_credits(alice, now)
        rows = make_rows(alice, now)
        ledger = [row for model in (Entry, Hold, Grant) for row in model.objects.all()]
        for url in (*sorted({list_url(type(row)) for row in rows + ledger}), *map(page_url, ledger)):
            assert client.get(url).status_code == 200, url
        told = text_of(client.get(page_of(alice))) + text_of(client.get(page_of(alice), {"show": "disputes"}))
        for state in ("needs review", "second, refunded", "Frozen", "Dispute of $0.05", "Inquiry about $0.05"):
            assert state in told
        tasks = {task.label: task.count for task in client.get("/admin/").context["tasks"]}
        assert tasks["Purchases need review"] == 1
        assert tasks["Open disputes and inquiries"] == 4

    @pytest.mark.parametrize("state", ["awaiting", "done", "rejected"])
    def test_of_an_adjustment_is_shown(self, alice: User, decider: Client, state: str) -> None:
        do(decider, alice, "adjust-credits", direction="give", credits="20000" if state != "done" else "5")
        if state == "rejected":
            asked = Adjustment.objects.get()
            do(staff_client("Admin"), alice, "reject-adjustment", str(asked.pk))
        for url in (page_of(alice), list_url(Adjustment), page_url(Adjustment.objects.get())):
            assert decider.get(url).status_code == 200
        assert Adjustment.objects.get().state == state
