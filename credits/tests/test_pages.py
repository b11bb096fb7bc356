"""The account pages of credits show the numbers that the API tells, and work without JavaScript."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from credits import services
from credits.tests.conftest import Give, Place
from smartspec import clock

pytestmark = pytest.mark.django_db

QUERIES_PER_PAGE = 12


@pytest.fixture
def alices_browser(alice: Any) -> Client:
    """Alice's browser, signed in."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def busy(account_id: Any, give: Give, place: Place) -> Callable[[int], None]:
    """Return a function that spends on `jobs` jobs of several kinds and models, and leaves one open."""

    def spend(jobs: int) -> None:
        now = clock.now()
        give("1000", now=now)
        give("400.5", now=now, expires_at=now + timedelta(days=3))
        for number in range(jobs):
            held = place(number % 3 + 1, model_id=f"model-{number % 7}", now=now)
            services.capture_hold(hold_id=held.id, now=now)
        place(2, now=now)

    return spend


def shown(page: str, name: str) -> Decimal:
    """Return a number that a page shows, by the attribute that names it."""
    match = re.search(rf"<[^>]* data-{name}>([^<]+)<", page)
    assert match, name
    return Decimal(match[1].replace(",", "").replace("−", "-"))


class TestOverview:
    def test_shows_what_the_api_tells(
        self, alices_browser: Client, alice_client: APIClient, busy: Callable[[int], None]
    ) -> None:
        busy(5)
        page = alices_browser.get("/account").content.decode()
        balance = alice_client.get("/api/credits/balance").json()
        assert shown(page, "available-credits") == Decimal(str(balance["available_credits"]))
        assert shown(page, "used-credits") == Decimal(str(balance["used_credits"]))
        assert shown(page, "reserved-credits") == Decimal(str(balance["reserved_credits"]))
        assert f"{balance['expires_soon'][0]['credits']} credits expire in 3 days" in page

    def test_shows_usage_as_the_api_tells_it(
        self, alices_browser: Client, alice_client: APIClient, busy: Callable[[int], None]
    ) -> None:
        busy(9)
        for days in (7, 30, 90):
            context = alices_browser.get("/account", {"days": days}).context
            daily = alice_client.get("/api/credits/usage/daily", {"days": days}).json()["data"]
            assert [(day.date.isoformat(), float(day.credits)) for day, _ in context["daily"]] == [
                (day["date"], day["credits"]) for day in daily
            ]
            models = alice_client.get("/api/credits/usage/models", {"days": days}).json()["data"]
            assert [(usage.model_id, float(usage.credits)) for usage, _ in context["models"]] == [
                (model["model_id"], model["total_credits"]) for model in models[:5]
            ]

    def test_is_asked_whether_anything_changed(
        self, alices_browser: Client, busy: Callable[[int], None], give: Give
    ) -> None:
        busy(1)
        mark = alices_browser.get("/account").context["mark"]
        assert alices_browser.get("/account", {"seen": mark}).status_code == 204
        give("1", now=clock.now())
        assert alices_browser.get("/account", {"seen": mark}).status_code == 200

    def test_warns_of_a_low_balance_and_of_debt(self, alices_browser: Client, account_id: Any, give: Give) -> None:
        assert "You have no credits left." in alices_browser.get("/account").content.decode()
        give("1", now=clock.now())
        assert "1 credit left." in alices_browser.get("/account").content.decode()
        give("0.5", now=clock.now())
        assert "1.5 credits left." in alices_browser.get("/account").content.decode()

    def test_greets_somebody_who_has_nothing_yet(self, alices_browser: Client) -> None:
        page = alices_browser.get("/account").content.decode()
        for text in ("Nothing was used in these days.", "No transactions yet.", "Nothing yet."):
            assert text in page

    def test_takes_odd_questions_for_none(self, alices_browser: Client) -> None:
        for days in ("", "x", "8", "-1", "30000"):
            assert alices_browser.get("/account", {"days": days}).context["days"] == 30


class TestTransactions:
    def test_lists_filters_and_sums_as_the_api_does(
        self, alices_browser: Client, alice_client: APIClient, busy: Callable[[int], None]
    ) -> None:
        busy(30)
        queries: list[dict[str, str]] = [{}, {"type": "usage"}, {"search": "model-3"}, {"type": "bonus"}, {"page": "2"}]
        for query in queries:
            answer = alices_browser.get("/account/transactions", query)
            told = alice_client.get("/api/credits/transactions", {"limit": "25"} | query).json()
            assert [entry.public_id for entry in answer.context["entries"]] == [t["id"] for t in told["transactions"]]
            assert shown(answer.content.decode(), "total") == told["total"]
        summary = alice_client.get("/api/credits/transactions/summary").json()["summary"]
        page = alices_browser.get("/account/transactions").content.decode()
        assert shown(page, "came-in") == Decimal(str(summary["bonus"]["total"]))
        assert shown(page, "went-out") == Decimal(str(summary["usage"]["total"]))

    def test_sums_what_came_in_apart_from_what_went_out(
        self, alices_browser: Client, account_id: UUID, give: Give
    ) -> None:
        now = clock.now()
        give(100, now=now - timedelta(days=2))
        for day, credits in ((2, 7), (2, -3), (0, 10), (0, -4)):
            services.adjust(
                account_id=account_id, credits=Decimal(credits), reason="", idempotency_key=f"{day} {credits}",
                now=now - timedelta(days=day),
            )  # fmt: skip
        yesterday = (now - timedelta(days=1)).date().isoformat()
        for query, came_in, went_out in (
            ({}, 117, -7),
            ({"date_from": yesterday}, 10, -4),
            ({"type": "bonus"}, 100, 0),
        ):
            page = alices_browser.get("/account/transactions", query).content.decode()
            assert (shown(page, "came-in"), shown(page, "went-out")) == (came_in, went_out)

    def test_covers_whole_days(self, alices_browser: Client, busy: Callable[[int], None]) -> None:
        busy(3)
        today = clock.now().date()
        for first, last, count in ((today, today, 5), (today - timedelta(9), today - timedelta(1), 0)):
            query = {"date_from": first.isoformat(), "date_to": last.isoformat()}
            assert alices_browser.get("/account/transactions", query).context["found"].total == count

    def test_says_what_is_wrong_with_a_filter(self, alices_browser: Client) -> None:
        query = {"date_from": "2026-03-02", "date_to": "2026-03-01"}
        assert "must not come before" in alices_browser.get("/account/transactions", query).content.decode()
        assert alices_browser.get("/account/transactions", {"type": "gold", "page": "x"}).status_code == 200

    def test_opens_a_row(self, alices_browser: Client, busy: Callable[[int], None]) -> None:
        busy(1)
        usage = alices_browser.get("/account/transactions", {"type": "usage"}).context["entries"][0]
        page = alices_browser.get(f"/account/transactions/{usage.public_id}").content.decode()
        for text in (usage.public_id, "model-0", "job", "Which credits it took", "Bonus"):
            assert text in page
        part = alices_browser.get(f"/account/transactions/{usage.public_id}", headers={"HX-Request": "true"})
        assert "<html" not in part.content.decode()
        assert "Which credits it took" in part.content.decode()

    def test_opens_nobody_elses_row(self, alices_browser: Client, busy: Callable[[int], None], bob: Any) -> None:
        busy(1)
        usage = alices_browser.get("/account/transactions").context["entries"][0]
        others = Client()
        others.force_login(bob)
        assert others.get(f"/account/transactions/{usage.public_id}").status_code == 404
        assert alices_browser.get("/account/transactions/txn_x").status_code == 404

    def test_exports_what_is_filtered(self, alices_browser: Client, busy: Callable[[int], None]) -> None:
        busy(4)
        answer = alices_browser.get("/account/transactions/export", {"format": "csv", "type": "usage"})
        assert answer["Content-Disposition"].startswith("attachment")
        assert len(b"".join(answer.streaming_content).splitlines()) == 5  # type: ignore[attr-defined]
        answer = alices_browser.get("/account/transactions/export", {"format": "json"})
        assert len(json.loads(b"".join(answer.streaming_content))) == 6  # type: ignore[attr-defined]


class TestEveryPage:
    @pytest.mark.parametrize("path", ["/account", "/account?days=90", "/account/transactions"])
    def test_asks_the_database_a_dozen_times_at_most(
        self, path: str, alices_browser: Client, busy: Callable[[int], None]
    ) -> None:
        busy(40)
        alices_browser.get("/account")  # the first use of a session is noted
        with CaptureQueriesContext(connection) as queries:
            assert alices_browser.get(path).status_code == 200
        assert len(queries) <= QUERIES_PER_PAGE, [query["sql"] for query in queries]

    @pytest.mark.parametrize("path", ["/account", "/account/transactions"])
    def test_has_no_inline_script_or_style(self, path: str, alices_browser: Client) -> None:
        answer = alices_browser.get(path)
        page = answer.content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
