"""The home page of the back-office."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.backoffice.home import money
from billing.tests.test_admin import client_of, live
from billing.tests.test_backoffice.desk import ROLES, staff_client, text_of
from credits import services as credits_services
from smartspec import clock
from smartspec.admin import money_column
from smartspec.testing import make_user
from smartspec.users.models import User


class TestHome:
    @pytest.mark.parametrize("role", ROLES)
    def test_is_shown_with_nothing_in_it(self, role: str, db: None) -> None:
        assert "Everything that came in has been worked on." in text_of(staff_client(role).get("/admin/"))

    def test_tells_what_came_in_and_what_needs_a_person(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        credits_services.count_days(now=clock.now())
        page = text_of(support.get("/admin/"))
        for told in ("$33.50", "$38.00 paid, $4.50 sent back", "1 Pro", "$29.00"):
            assert told in page
        for task in ("Open disputes and inquiries", "Differences between", "Adjustments await approval"):
            assert task in page

    def test_links_every_task_to_a_page(self, decider: Client, alice: User) -> None:
        live(alice, clock.now())
        tasks = decider.get("/admin/").context["tasks"]
        assert len(tasks) >= 3
        for task in tasks:
            assert decider.get(task.url).status_code == 200

    def test_shows_staff_without_a_role_nothing(self, alice: User) -> None:
        live(alice, clock.now())
        page = text_of(client_of(make_user("new@smartspec.test", is_staff=True)).get("/admin/"))
        assert "$" not in page
        assert "Find anyone" not in page

    def test_adds_up_no_entries(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        with CaptureQueriesContext(connection) as queries:
            support.get("/admin/")
        ledger = ("credits_entry", "credits_hold", "credits_grant", "credits_usageday", "credits_account")
        assert not [query["sql"] for query in queries if any(f'"{table}"' in query["sql"] for table in ledger)]


@pytest.mark.parametrize(
    ("amount", "currency", "written", "in_a_list"),
    [
        (123_450, "usd", "$1,234.50", "1,234.50\N{NO-BREAK SPACE}USD"),
        (-450, "eur", "-4.50 EUR", "-4.50\N{NO-BREAK SPACE}EUR"),
        (1000, "jpy", "1,000 JPY", "1,000\N{NO-BREAK SPACE}JPY"),  # a yen has no cents
    ],
)
def test_money_is_written_in_whole_units_of_its_currency(
    amount: int, currency: str, written: str, in_a_list: str
) -> None:
    assert money(amount, currency) == written
    assert money_column("cents", "Paid")(SimpleNamespace(cents=amount, currency=currency)) == in_a_list
