"""The ledger, the plans and the rates in the admin."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits import catalogue, selectors, services
from credits.models import Entry, Plan, Rate
from credits.tests.conftest import Give, Place
from smartspec import clock
from smartspec.admin import ReadOnlyAdmin, lists
from smartspec.testing import make_user
from smartspec.users.models import StaffAction

WHY = {"reason": "other", "note": "New prices from May"}
UNKNOWN = UUID("00000000-0000-4000-8000-000000000000")


@pytest.fixture
def administrator(db: None) -> Client:
    call_command("sync_roles", verbosity=0)
    user = make_user("administrator@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name="Admin"))
    client = Client()
    client.force_login(user)
    return client


class TestEntries:
    URL = "/admin/credits/entry/"

    def test_are_found_by_their_user(self, administrator: Client, alice: Any, bob: Any, give: Give) -> None:
        give("7")
        services.grant(account_id=bob.pk, kind="bonus", credits=Decimal(9), source="test", now=clock.now())
        for term in ("alice@smartspec.test", "ALICE@", "Alice", str(alice.pk)):
            found = administrator.get(self.URL, {"q": term}).context["cl"].result_list
            assert [entry.delta_credits for entry in found] == [7]

    def test_of_one_user_come_newest_first(self, administrator: Client, alice: Any, give: Give) -> None:
        give("1"), give("2"), give("3")
        found = administrator.get(self.URL, {"q": alice.email}).context["cl"].result_list
        assert [entry.number for entry in found] == [3, 2, 1]

    def test_are_filtered_only_within_what_was_found(self, administrator: Client, alice: Any, give: Give) -> None:
        give("1")
        assert administrator.get(self.URL).context["cl"].filter_specs == []
        assert administrator.get(self.URL, {"entry_type__exact": "bonus"}).status_code == 400
        answer = administrator.get(self.URL, {"entry_type__exact": "bonus", "q": alice.email})
        assert answer.context["cl"].result_count == 1

    def test_are_never_counted_beyond_a_bound(
        self, administrator: Client, give: Give, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(5):
            give("1")
        monkeypatch.setattr(lists, "ROWS_LISTED", 3)
        with CaptureQueriesContext(connection) as queries:
            assert administrator.get(self.URL).context["cl"].result_count == 3
        counting = [query["sql"] for query in queries if "COUNT(*)" in query["sql"] and "credits_entry" in query["sql"]]
        assert len(counting) == 1
        assert "LIMIT 3" in counting[0]

    def test_have_a_page_that_shows_the_receipt(
        self, administrator: Client, account_id: UUID, give: Give, now: datetime
    ) -> None:
        give("12.5")
        services.adjust(
            account_id=account_id,
            credits=Decimal("-2.25"),
            reason="Given by mistake",
            idempotency_key="test",
            now=now,
        )
        entry = Entry.objects.get(account_id=account_id, number=2)
        url = reverse("admin:credits_entry_change", args=[quote(f"{account_id}~2")])
        page = administrator.get(url).content.decode()
        for text in (entry.public_id, "-2.25", "10.25", "12.5", "2.25 from lot 1", "Given by mistake"):
            assert text in page

    @pytest.mark.parametrize("key", ["1", "x~1", f"{UNKNOWN}~1", f"{UNKNOWN}~x", f"{UNKNOWN}~{10**30}", "~"])
    def test_that_do_not_exist_are_a_sentence(self, administrator: Client, key: str) -> None:
        answer = administrator.get(reverse("admin:credits_entry_change", args=[quote(key)]), follow=True)
        assert "Perhaps it was deleted?" in answer.content.decode()


class TestPlans:
    def fields_of(self, plan: Plan) -> dict[str, Any]:
        names = ("display_name", "description", "monthly_credits", "features", "max_storage_mb", "position")
        return {name: getattr(plan, name) for name in names} | WHY

    def test_give_what_administrators_say_at_the_prices_of_stripe(self, administrator: Client) -> None:
        plan = Plan.objects.get(pk="pro")
        changes = {"monthly_credits": "600", "features": ["image_generation", "sla"], "price_monthly_cents": "1"}
        answer = administrator.post("/admin/credits/plan/pro/change/", self.fields_of(plan) | changes)
        assert answer.status_code == 302
        plan.refresh_from_db()
        assert plan.monthly_credits == 600
        assert plan.features == ["image_generation", "sla"]
        assert plan.price_monthly_cents == 2900
        done = StaffAction.objects.get()
        assert (done.action, done.before["monthly_credits"], done.after["monthly_credits"]) == (
            "change_plan",
            "500",
            "600",
        )
        page = administrator.get("/admin/credits/plan/pro/change/").content.decode()
        assert "monthly_credits: 500 → 600" in page
        assert "New prices from May" in page

    def test_are_changed_by_nobody_without_a_reason(self, administrator: Client) -> None:
        fields = self.fields_of(Plan.objects.get(pk="pro")) | {"monthly_credits": "600", "note": ""}
        answer = administrator.post("/admin/credits/plan/pro/change/", fields)
        assert "note" in answer.context["adminform"].errors
        assert Plan.objects.get(pk="pro").monthly_credits == 500

    @pytest.mark.parametrize("changes", [{"monthly_credits": "-1"}, {"features": ["time_travel"]}])
    def test_refuse_what_no_plan_can_give(self, administrator: Client, changes: dict[str, Any]) -> None:
        plan = Plan.objects.get(pk="pro")
        answer = administrator.post("/admin/credits/plan/pro/change/", self.fields_of(plan) | changes)
        assert answer.status_code == 200
        assert answer.context["adminform"].errors
        assert Plan.objects.get(pk="pro").monthly_credits == 500

    def test_come_and_go_with_a_release_alone(self, administrator: Client) -> None:
        assert administrator.post("/admin/credits/plan/add/", {}).status_code == 403
        assert administrator.post("/admin/credits/plan/pro/delete/", {"post": "yes"}).status_code == 403


class TestRates:
    ADD = "/admin/credits/rate/add/"

    def rate(self, **changes: Any) -> dict[str, Any]:
        start = clock.now() + timedelta(days=2)
        fields = {
            "operation": "image_generation",
            "model_id": "",
            "base_credits": "2",
            "modifiers": json.dumps([{"label": "HD", "field": "quality", "equals": "hd", "percent": 50}]),
            "effective_from_0": f"{start:%Y-%m-%d}",
            "effective_from_1": "00:00:00",
            **WHY,
        }
        return fields | changes

    def test_change_by_a_new_one_that_begins_later(self, administrator: Client) -> None:
        assert administrator.post(self.ADD, self.rate()).status_code == 302
        newest = Rate.objects.filter(operation="image_generation").latest("effective_from")
        assert (newest.base_credits, newest.unit) == (2, "image")
        shown = administrator.get("/admin/credits/rate/", {"operation__exact": "image_generation"}).content.decode()
        assert "planned" in shown
        assert "in force" in shown

    def test_that_have_begun_are_never_edited(self, administrator: Client) -> None:
        begun = Rate.objects.filter(operation="image_generation").get()
        url = f"/admin/credits/rate/{begun.pk}/"
        assert administrator.get(f"{url}change/").status_code == 200
        assert administrator.post(f"{url}change/", self.rate()).status_code == 403
        assert administrator.post(f"{url}delete/", {"post": "yes"}).status_code == 403

    def test_that_are_planned_may_be_corrected_and_given_up(self, administrator: Client) -> None:
        administrator.post(self.ADD, self.rate())
        planned = Rate.objects.latest("effective_from")
        url = f"/admin/credits/rate/{planned.pk}/"
        assert administrator.post(f"{url}change/", self.rate(base_credits="3")).status_code == 302
        planned.refresh_from_db()
        assert planned.base_credits == 3
        assert "Withdraw" in administrator.get(f"{url}change/").content.decode()
        administrator.post(f"/admin/credits/rate/do/withdraw/?row={planned.pk}", WHY)
        assert not Rate.objects.filter(pk=planned.pk).exists()
        actions = StaffAction.objects.order_by("pk").values_list("action", flat=True)
        assert list(actions) == ["add_rate", "change_rate", "delete_rate"]

    def test_that_have_begun_are_not_withdrawn(self, administrator: Client) -> None:
        begun = Rate.objects.filter(operation="image_generation").get()
        answer = administrator.post(f"/admin/credits/rate/do/withdraw/?row={begun.pk}", WHY, follow=True)
        assert "has begun" in answer.content.decode()
        assert Rate.objects.filter(pk=begun.pk).exists()

    def test_show_what_they_would_have_made_of_the_last_30_days(
        self, administrator: Client, account_id: UUID, give: Give
    ) -> None:
        give("100")
        for number, quality in enumerate((None, "hd", "hd")):
            placed = services.place_hold(
                account_id=account_id,
                operation="image_generation",
                quality=quality,
                reference_id=f"job_{number}",
                idempotency_key=f"job_{number}",
                now=clock.now(),
            )
            services.capture_hold(hold_id=placed.id, now=clock.now())
        administrator.post(self.ADD, self.rate())
        page = administrator.get(f"/admin/credits/rate/{Rate.objects.latest('effective_from').pk}/change/")
        # 1 + 1.5 + 1.5 before; 2 + 3 + 3 by the new rate
        assert "3 jobs cost 4 credits; at this rate they would have cost 8 (+100.0 %)" in page.content.decode()

    def test_leave_out_what_a_model_costs_by_a_rate_of_its_own(
        self, account_id: UUID, give: Give, place: Place
    ) -> None:
        now = clock.now()
        give("100", now=now)
        general = Rate.objects.get(operation="image_generation")
        Rate.objects.create(
            operation="image_generation", unit="image", base_credits=Decimal(3), model_id="flux", effective_from=now
        )
        catalogue.forget()
        for model_id in ("flux", "sdxl"):
            services.capture_hold(hold_id=place(1, model_id=model_id, now=now).id, now=now)
        seen = selectors.preview_rate(rate=general, now=now)
        assert (seen.jobs, seen.old_credits, seen.new_credits) == (1, 1, 1)

    def test_look_for_the_last_30_days_by_an_index(self, account_id: UUID) -> None:
        rate = Rate.objects.filter(operation="image_generation").get()
        with CaptureQueriesContext(connection) as queries:
            selectors.preview_rate(rate=rate, now=clock.now())
        (query,) = queries.captured_queries
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # a table as small as a test's is rather read whole
            cursor.execute("EXPLAIN " + query["sql"])
            assert any("credits_hold_by_time" in line for (line,) in cursor.fetchall())

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"effective_from_0": "2020-01-02"}, "effective_from"),
            ({"base_credits": "0"}, "__all__"),
            ({"base_credits": "-1"}, "__all__"),
            ({"operation": "teleportation"}, "operation"),
            ({"modifiers": "{}"}, "modifiers"),
            ({"modifiers": "[1]"}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": "hd"}]'}, "modifiers"),
            ({"modifiers": '[{"label": "", "field": "quality", "equals": "hd", "percent": 5}]'}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": 4, "percent": 5}]'}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": "hd", "percent": -100}]'}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": "hd", "percent": true}]'}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": "hd", "percent": NaN}]'}, "modifiers"),
            ({"modifiers": '[{"label": "Long", "field": "duration_seconds", "above": 5, "percent": 9}]'}, "modifiers"),
            ({"modifiers": '[{"label": "HD", "field": "quality", "equals": "hd", "percent": 1e9}]'}, "modifiers"),
            ({"operation": "storage"}, "modifiers"),
        ],
    )
    def test_that_no_price_can_be_computed_from_are_refused(
        self, administrator: Client, changes: dict[str, str], field: str
    ) -> None:
        before = Rate.objects.count()
        answer = administrator.post(self.ADD, self.rate(**changes))
        assert answer.status_code == 200
        assert field in answer.context["adminform"].errors
        assert Rate.objects.count() == before

    def test_leave_a_price_where_two_modifiers_apply_to_one_job(self, administrator: Client) -> None:
        def longer_than(seconds: int, percent: int) -> dict[str, Any]:
            return {"label": "Long", "field": "duration_seconds", "above": seconds, "percent": percent}

        def rate(*modifiers: dict[str, Any]) -> dict[str, Any]:
            return self.rate(operation="video_generation", modifiers=json.dumps(modifiers))

        answer = administrator.post(self.ADD, rate(longer_than(5, -50), longer_than(10, -50)))
        assert "also where several apply" in str(answer.context["adminform"].errors["modifiers"])
        assert administrator.post(self.ADD, rate(longer_than(5, -50), longer_than(10, -49))).status_code == 302


class TestRegistry:
    def test_lets_nobody_write_the_ledger(self) -> None:
        for model, page in admin.site._registry.items():
            if model._meta.app_label == "credits" and model not in (Plan, Rate):
                assert isinstance(page, ReadOnlyAdmin)
