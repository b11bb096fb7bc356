"""Any filtered list as a file: all of its rows, a few at a time, and nothing in it that a spreadsheet runs."""

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.tests.test_admin import live
from billing.tests.test_backoffice.desk import staff_client
from billing.tests.test_backoffice.states import make_rows
from smartspec import clock
from smartspec.testing import make_user
from smartspec.users.models import SentMail, User

MANY = 1_201


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.fixture
def mails(alice: User) -> None:
    SentMail.objects.bulk_create(
        SentMail(user=alice, template="plan_paid", cause=f"in_{number:04}", sent_at=clock.now())
        for number in range(MANY)
    )


class TestExport:
    def test_has_what_search_and_filters_leave(self, support: Client, alice: User, bob: User) -> None:
        live(bob, clock.now())
        make_rows(alice, clock.now())
        of_alice = rows_of(support.get("/admin/billing/purchase/export.csv", {"q": alice.email}))
        assert {row["User"] for row in of_alice} == {alice.email}
        failed = rows_of(support.get("/admin/billing/purchase/export.csv", {"state__exact": "failed"}))
        assert [row["State"] for row in failed] == ["failed"]
        both = {"q": bob.email, "state__exact": "failed"}
        assert rows_of(support.get("/admin/billing/purchase/export.csv", both)) == []

    def test_of_a_filter_that_is_none_is_refused(self, support: Client, alice: User) -> None:
        for lookup in ("session_id__startswith", "nothing"):
            assert support.get("/admin/billing/purchase/export.csv", {lookup: "a"}).status_code == 400

    @pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\t=1", " =1"])
    def test_runs_no_formula(self, support: Client, name: str) -> None:
        make_user("eve@smartspec.test", name=name)
        (row,) = rows_of(support.get("/admin/users/user/export.csv", {"q": "eve@smartspec.test"}))
        assert not row["Name"].lstrip().startswith(("=", "+", "-", "@"))

    @pytest.mark.usefixtures("mails")
    def test_has_every_row_once(self, support: Client) -> None:
        rows = rows_of(support.get("/admin/users/sentmail/export.csv"))
        assert [row["Cause"] for row in rows] == [f"in_{number:04}" for number in range(MANY)]

    @pytest.mark.usefixtures("mails")
    def test_begins_before_its_end_is_read(self, support: Client) -> None:
        answer: Any = support.get("/admin/users/sentmail/export.csv")
        assert answer.streaming
        parts = iter(answer.streaming_content)
        with CaptureQueriesContext(connection) as queries:
            assert b"Cause" in next(parts)
            next(parts)
        read = [query["sql"] for query in queries if "users_sentmail" in query["sql"]]
        assert len(read) == 1
        assert "LIMIT 500" in read[0]

    def test_is_for_who_may_see_the_list(self, alice: User) -> None:
        assert staff_client("Auditor").get("/admin/billing/purchase/export.csv").status_code == 200
