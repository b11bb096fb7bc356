"""The admin as a whole: who gets in, who sees what, and every registered page with data in it."""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from djstripe.models import WebhookEventTrigger
from procrastinate.contrib.django import app as queue

from billing.models import (
    Clawback,
    Customer,
    Dispute,
    Package,
    PaidInvoice,
    PlanChange,
    Purchase,
    ReconcileRun,
    Refund,
    Subscription,
    SubscriptionCheckout,
    Webhook,
    WebhookRefusal,
)
from credits import services as credits_services
from credits.models import Adjustment
from media.models import Asset, StorageAccount, StorageDay, StorageEvent
from smartspec.admin import ReadOnlyAdmin
from smartspec.admin.lists import filter_name
from smartspec.testing import make_user
from smartspec.users import services as users_services
from smartspec.users.models import SentMail, StaffAction

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
READ_ONLY = [model for model in REGISTERED if isinstance(admin.site._registry[model], ReadOnlyAdmin)]
DIGEST = "0" * 64
WHY = {"reason": "other", "note": "A new price"}


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def support(db: None) -> Client:
    call_command("sync_roles", verbosity=0)
    user = make_user("support@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    return client_of(user)


@pytest.fixture
def administrator(db: None) -> Client:
    call_command("sync_roles", verbosity=0)
    user = make_user("administrator@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name="Admin"))
    return client_of(user)


@pytest.fixture
def superuser(db: None) -> Client:
    return client_of(make_user("root@smartspec.test", is_staff=True, is_superuser=True))


def live(user: Any, now: datetime, number: int = 1) -> None:
    """Let a person do a little of everything, so that no list is empty."""
    account_id = user.pk
    credits_services.grant(
        account_id=account_id, kind="purchase", credits=Decimal(100), source=f"purchase:{number}", now=now
    )
    placed = credits_services.place_hold(
        account_id=account_id, operation="image_generation", reference_id="job_1", idempotency_key="job_1", now=now
    )
    credits_services.capture_hold(hold_id=placed.id, now=now)
    customer = Customer.objects.create(id=f"cus_{number}", user=user, created_at=now)
    purchase = Purchase.objects.create(
        user=user,
        state="fulfilled",
        session_id=f"cs_{number}",
        request_hash=DIGEST,
        created_at=now,
        package_id="basic",
        credits=100,
        bonus_credits=5,
        price_cents=900,
        currency="usd",
        payment_intent_id=f"pi_{number}",
        paid_cents=900,
        fulfilled_at=now,
    )
    SubscriptionCheckout.objects.create(
        user=user, request_hash=DIGEST, created_at=now, plan="pro", interval="monthly", price_id="price_1"
    )
    subscription = Subscription.objects.create(
        id=f"sub_{number}",
        customer=customer,
        user=user,
        plan="pro",
        interval="monthly",
        price_id="price_1",
        item_id="si_1",
        status="active",
        anchor_at=now,
        current_period_start=now,
        current_period_end=now + timedelta(days=30),
        created_at=now,
    )
    PaidInvoice.objects.create(
        id=f"in_{number}",
        subscription=subscription,
        billing_reason="subscription_create",
        paid_cents=2900,
        currency="usd",
        paid_at=now,
    )
    money = {"user": user, "purchase": purchase, "amount_cents": 450, "currency": "usd", "created_at": now}
    refund = Refund.objects.create(refund_id=f"re_{number}", status="succeeded", **money)
    Dispute.objects.create(id=f"dp_{number}", status="needs_response", reason="fraudulent", frozen_at=now, **money)
    Clawback.objects.create(refund=refund, kind="purchase", source=f"purchase:{purchase.pk}", taken_credits=50)
    ReconcileRun.objects.create(
        started_at=now + timedelta(minutes=number),
        since_at=now,
        until_at=now,
        finished_at=now,
        remaining=1,
        differences=[{"kind": "not_fulfilled", "object_id": "cs_1", "user_id": str(user.pk), "detail": "Not given."}],
    )
    PlanChange.objects.create(
        user=user, subscription=subscription, plan="enterprise", interval="monthly", request_hash=DIGEST, created_at=now
    )
    event: dict[str, Any] = {
        "id": f"evt_{number}",
        "type": "invoice.paid",
        "data": {"object": {"client_secret": "pi_1_secret_2"}},
    }
    trigger = WebhookEventTrigger.objects.create(remote_ip="127.0.0.1", headers={}, body=json.dumps(event), valid=True)
    Webhook.objects.create(trigger=trigger, event_id=event["id"], event_type="invoice.paid", user=user, received_at=now)
    WebhookRefusal.objects.create(minute_at=now + timedelta(minutes=number), cause="bad_signature", count=2)
    users_services.create_service_key(name=f"worker {number}", scopes=["credits:spend"], now=now)
    UserSession.objects.create(user=user, ip="127.0.0.1", session_key=f"session-{number}", user_agent="Desktop")
    StorageAccount.objects.create(
        user=user,
        asset_count=1,
        metered_at=now,
        billed_until=now.date(),
        billed_credits=3,
        unpaid_since=now,
        step="warned",
    )
    times = dict.fromkeys(("created_at", "upload_expires_at", "ended_at", "cleaned_at"), now)
    key = f"generations/{number}.png"
    Asset.objects.create(
        user=user, number=1, kind="image", content_type="image/png", key=key, size_bytes=1000, status="deleted", **times
    )
    StorageDay.objects.create(user=user, day_date=now.date(), byte_seconds=Decimal(5))
    StorageEvent.objects.create(user=user, kind="warned", unpaid_since=now, arrears_credits=3, happened_at=now)
    agent = make_user(f"agent{number}@smartspec.test", is_staff=True)
    reason = {"reason": "goodwill", "note": "Ticket 7"}
    Adjustment.objects.create(
        user=user, credits=Decimal(600), state="awaiting", requested_by=agent, requested_at=now, **reason
    )
    StaffAction.objects.create(actor=agent, action="adjust_credits", whom=user, created_at=now, **reason)
    SentMail.objects.create(user=user, template="receipt", cause=f"purchase {number}", sent_at=now)
    queue.configure_task("some.task", queue="default", allow_unknown=True).defer(number=number)


@pytest.fixture
def some_life(alice: Any, now: datetime) -> None:
    Group.objects.get_or_create(name="Support")
    live(alice, now)


def list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row: Any) -> str:
    page: Any = admin.site._registry[type(row)]
    key = page.key_of(row) if hasattr(page, "key_of") else row.pk
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(key)])


class TestDoor:
    def test_leads_strangers_to_log_in(self, client: Client, db: None) -> None:
        answer = client.get("/admin/", follow=True)
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")
        assert answer.status_code == 200

    def test_is_shut_to_customers(self, alice: Any) -> None:
        customer = client_of(alice)
        assert customer.get("/admin/", follow=True).status_code == 403
        for model in REGISTERED:
            assert customer.get(list_url(model), follow=True).status_code == 403

    def test_shows_staff_without_rights_nothing(self, db: None) -> None:
        newcomer = client_of(make_user("new@smartspec.test", is_staff=True))
        assert newcomer.get("/admin/").status_code == 200
        for model in REGISTERED:
            assert newcomer.get(list_url(model)).status_code == 403


class TestPolicy:
    def test_is_relaxed_for_scripts_and_styles_of_the_admin_alone(self, superuser: Client) -> None:
        policy = superuser.get("/admin/")["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in superuser.get("/accounts/login/")["Content-Security-Policy"]


class TestDjstripe:
    def test_shows_none_of_its_models(self) -> None:
        models = set(apps.get_app_config("djstripe").get_models())
        assert len(models) > 40
        assert not models & set(REGISTERED)

    @pytest.mark.parametrize("action", ["_cancel", "_sync_all_instances", "_resync_instances"])
    def test_has_no_actions(self, superuser: Client, action: str) -> None:
        for path in (f"/admin/djstripe/subscription/action/{action}/subscription/", "/admin/djstripe/subscription/"):
            assert superuser.get(path).status_code == 404
            assert superuser.post(path).status_code == 404


@pytest.mark.usefixtures("some_life")
@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
class TestEveryList:
    def test_opens_with_a_row_and_its_page(self, superuser: Client, model: Any) -> None:
        row = model._default_manager.first()
        assert row is not None
        assert superuser.get(list_url(model)).context["cl"].result_count > 0
        page = superuser.get(page_url(row))
        assert page.status_code == 200
        assert page.context["original"] == row

    def test_is_exported_as_its_page_shows_it(self, support: Client, model: Any) -> None:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export")
        if model is Group:
            assert support.get(url).status_code == 403
            return
        answer: Any = support.get(url)
        head, *rows = csv.reader(io.StringIO(b"".join(answer.streaming_content).decode()))
        assert rows
        assert {len(row) for row in rows} == {len(head)}
        assert "<" not in "".join(rows[0])

    def test_is_searched(self, rf: RequestFactory, model: Any) -> None:
        for term in ("alice@smartspec.test", "'; -- 1"):
            request = rf.get("/", {"q": term})
            request.user = make_user(f"{uuid4()}@smartspec.test", is_staff=True, is_superuser=True)
            list(admin.site._registry[model].get_changelist_instance(request).result_list)

    def test_is_not_filtered_by_what_it_does_not_show(self, superuser: Client, model: Any) -> None:
        for field in ("password", "digest", "session_key", "body"):
            assert superuser.get(list_url(model), {f"{field}__startswith": "a"}).status_code == 400

    def test_is_not_filtered_by_what_its_filters_lead_to(
        self, superuser: Client, model: Any, rf: RequestFactory
    ) -> None:
        request = rf.get("/", {"q": "alice@smartspec.test"})
        secrets = ["password__startswith", "user__password__startswith", "usersession__session_key__startswith"]
        for name in map(filter_name, admin.site._registry[model].get_list_filter(request)):
            field = next((field for field in model._meta.get_fields() if field.name == name), None)
            beyond = field.related_model._meta.get_fields() if field is not None and field.is_relation else ()
            for step in (*secrets, "pk__user__password__startswith", *(f"{other.name}__isnull" for other in beyond)):
                asked = {"q": "alice@smartspec.test", f"{name}__{step}": "1"}
                assert superuser.get(list_url(model), asked).status_code == 400, asked

    def test_asks_as_many_queries_for_many_rows_as_for_one(
        self, superuser: Client, model: Any, now: datetime, count_queries: Callable[[str], int]
    ) -> None:
        superuser.get(list_url(model))
        few = count_queries(list_url(model))
        for number in range(2, 6):
            live(make_user(f"person{number}@smartspec.test"), now, number)
        assert count_queries(list_url(model)) <= few


@pytest.fixture
def count_queries(superuser: Client) -> Callable[[str], int]:
    def count(url: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert superuser.get(url).status_code == 200
        return len(queries)

    return count


@pytest.mark.usefixtures("some_life")
@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model._meta.label)
class TestReadOnlyLists:
    def test_are_changed_not_even_by_superusers(self, superuser: Client, model: Any) -> None:
        row = model._default_manager.first()
        add_url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
        for url in (page_url(row), add_url, page_url(row).replace("/change/", "/delete/")):
            assert superuser.post(url, {"post": "yes"}).status_code == 403


class TestFilters:
    @pytest.mark.usefixtures("some_life")
    @pytest.mark.parametrize(
        ("label", "lookup"),
        [
            ("users.user", "groups__user__usersession__session_key__startswith"),
            ("users.user", "groups__user__password__startswith"),
            ("billing.purchase", "package__purchases__user__password__startswith"),
            ("users.apikey", "user__password__startswith"),
        ],
    )
    def test_do_not_lead_an_auditor_to_anybodys_secrets(self, label: str, lookup: str) -> None:
        call_command("sync_roles", verbosity=0)
        user = make_user("auditor@smartspec.test", is_staff=True)
        user.groups.add(Group.objects.get(name="Auditor"))
        assert client_of(user).get(list_url(apps.get_model(label)), {lookup: "a"}).status_code == 400

    @pytest.mark.usefixtures("some_life")
    def test_work_on_every_list(self, rf: RequestFactory) -> None:
        request = rf.get("/", {"q": "alice@smartspec.test"})
        request.user = make_user("root@smartspec.test", is_staff=True, is_superuser=True)
        for model in REGISTERED:
            page: Any = admin.site._registry[model]
            changes = page.get_changelist_instance(request)
            for spec in changes.filter_specs:
                last = list(spec.choices(changes))[-1]
                filtered = rf.get(f"/{last['query_string']}")
                filtered.user = request.user
                found = page.get_changelist_instance(filtered)
                assert found.has_active_filters, (model, last)
                list(found.result_list)

    def test_are_wrong_where_they_ask_for_what_no_text_can_hold(self, superuser: Client, rf: RequestFactory) -> None:
        for model in REGISTERED:
            for name in map(filter_name, admin.site._registry[model].get_list_filter(rf.get("/?q=alice"))):
                wrong = {"q": "alice@smartspec.test", name: "x\0"}
                answer = superuser.get(list_url(model), wrong)
                assert (answer.status_code, answer.headers.get("Location")) == (302, f"{list_url(model)}?e=1"), name
                export = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export")
                assert superuser.get(export, wrong).status_code == 400, name

    @pytest.mark.usefixtures("some_life")
    def test_read_no_table_from_end_to_end_for_their_choices(self, superuser: Client) -> None:
        for model in REGISTERED:
            with CaptureQueriesContext(connection) as queries:
                superuser.get(list_url(model), {"q": "alice@smartspec.test"})
            assert not [query["sql"] for query in queries if "SELECT DISTINCT" in query["sql"]], model


class TestWebhooks:
    @pytest.mark.usefixtures("some_life")
    def test_show_no_secret_of_their_payload(self, support: Client) -> None:
        page = support.get(page_url(Webhook.objects.get()))
        assert b"invoice.paid" in page.content
        assert b"pi_1_secret_2" not in page.content


class TestPackages:
    def fields_of(self, package: Package) -> dict[str, Any]:
        names = ("name", "credits", "bonus_credits", "price_cents", "position")
        marks = {name: "on" for name in ("is_popular", "is_best_value", "is_active") if getattr(package, name)}
        return {name: getattr(package, name) for name in names} | marks | WHY

    def test_are_edited_by_administrators(self, administrator: Client) -> None:
        package = Package.objects.get(pk="starter")
        answer = administrator.post(page_url(package), self.fields_of(package) | {"price_cents": 600})
        assert answer.status_code == 302
        package.refresh_from_db()
        assert package.price_cents == 600

    def test_are_added_by_administrators(self, administrator: Client) -> None:
        fields = {"id": "huge", "name": "Huge", "credits": 9000, "bonus_credits": 0, "price_cents": 40000}
        answer = administrator.post("/admin/billing/package/add/", fields | {"position": 9, "is_active": "on"} | WHY)
        assert answer.status_code == 302
        assert Package.objects.get(pk="huge").currency == "usd"

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"credits": "9"}, "10 to 10,000 credits"),
            ({"credits": "10001"}, "10 to 10,000 credits"),
            ({"credits": "100"}, "has as many credits"),
            ({"price_cents": "0"}, "Stripe refuses others"),
            ({"price_cents": "-5"}, "greater than or equal to 0"),
            ({"bonus_credits": "-1"}, "greater than or equal to 0"),
            ({"is_popular": "on"}, "has this mark"),
            ({"is_best_value": "on"}, "has this mark"),
        ],
    )
    def test_are_not_saved_when_they_make_no_sense(
        self, administrator: Client, change: dict[str, str], sentence: str
    ) -> None:
        package = Package.objects.get(pk="starter")
        answer = administrator.post(page_url(package), self.fields_of(package) | change)
        assert answer.status_code == 200
        assert sentence in answer.content.decode()
        assert Package.objects.get(pk="starter") == package

    def test_are_deleted_by_nobody(self, superuser: Client) -> None:
        assert superuser.post("/admin/billing/package/starter/delete/", {"post": "yes"}).status_code == 403
