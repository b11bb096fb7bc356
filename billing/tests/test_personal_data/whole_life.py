"""The rest of what can happen to a person: with her life, it leaves something in every table that can hold it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group, Permission
from django.db import connection
from djstripe import models as djstripe_models
from procrastinate.contrib.django import app
from rest_framework.test import APIClient

from billing import selectors, services
from billing.models import Customer, Purchase, ReconcileRun
from billing.tests.test_personal_data.person import EMAIL, NAME, pay, rows_that_name, things_of
from billing.tests.test_personal_data.tables import NOBODYS
from credits import services as credits_services
from media import services as media_services
from media.tests.conftest import PNG, lay
from smartspec import clock, jobs
from smartspec.models import JobFailure
from smartspec.testing import make_user
from smartspec.users import services as users_services
from smartspec.users.models import User

DAY = timedelta(days=1)
LARGE_FILE = PNG + b"\0" * 10_000_000


def live_before(user: User, client: APIClient) -> None:
    """She has a file for some days and no credits, then Free's, and almost buys some."""
    now = clock.now()
    long_ago = now - 3 * DAY
    announced = media_services.create_upload(
        user_id=user.pk,
        filename="Old.png",
        content_type="image/png",
        size_bytes=len(LARGE_FILE),
        kind="image",
        now=long_ago,
    )
    lay(announced.asset.key, LARGE_FILE)
    media_services.complete_upload(asset_id=str(announced.asset.pk), now=long_ago)
    media_services.bill_storage(now=now)
    credits_services.give_allowances(account_id=user.pk, now=now)
    for address, body in (("credits", {"credits_amount": 50}), ("subscription", {"plan": "pro"})):
        headers = {"Idempotency-Key": f"{address} for {EMAIL}"}
        assert client.post(f"/api/payment/checkout/{address}", body, headers=headers).status_code == 200


def live_on(user: User, client: APIClient, run_jobs: Callable[..., int]) -> None:
    """She changes her plan and what she logs in with, staff look after her, and things go wrong."""
    now = clock.now()
    TOTP.activate(user, generate_totp_secret())
    users_services.create_web_session_link(user=user, next_path=f"/account/?for={EMAIL}", now=now)
    user.groups.add(Group.objects.get(name="Auditor"))  # she was of the staff once
    user.user_permissions.add(Permission.objects.get(codename="view_rate"))
    change_plan(client)
    run_jobs(mirror=True)
    be_looked_after(user, now)
    fail(now)
    run_jobs(mirror=True)
    give_up_job(user)
    for model in selectors.mirrored_models("stripe_data"):
        if model._meta.db_table not in NOBODYS and not rows_that_name(*things_of(user), table=model._meta.db_table):
            copy_from_stripe(model)


def change_plan(client: APIClient) -> None:
    subscription = client.get("/api/payment/subscription").json()
    body = {"subscription_id": subscription["id"], "new_plan": "enterprise", "new_interval": "monthly"}
    answer = client.post("/api/payment/subscription/change-plan", body, headers={"Idempotency-Key": f"up for {EMAIL}"})
    assert answer.status_code == 200, answer.content


def be_looked_after(user: User, now: datetime) -> None:
    """An agent reads her pages, and gives her credits that a second one has to approve."""
    agent, second = (make_user(f"{name}@staff.test", is_staff=True) for name in ("agent", "second"))
    agent.groups.add(Group.objects.get(name="Support"))
    second.groups.add(Group.objects.get(name="Billing"))
    staff = users_services.Staff(agent, "192.0.2.1", "goodwill", f"{NAME} ({EMAIL}) called.")
    users_services.view_as(staff=staff, user=user, now=now)
    asked = credits_services.adjust_by_staff(
        staff=staff, account_id=user.pk, credits=Decimal(5000), key=uuid4(), now=now
    )
    approving = users_services.Staff(second, "192.0.2.2", "goodwill", f"As she asked: {EMAIL}")
    credits_services.decide_adjustment(staff=approving, adjustment_id=asked.pk, is_approved=True, now=now)


def fail(now: datetime) -> None:
    """A job tells whose it was, and a payment that nobody heard of is found by comparing the books."""
    try:
        raise LookupError(f"Mail to '{EMAIL}' of {NAME} failed")
    except LookupError as error:
        jobs.keep_failure(job_id=1, error=error, now=now)
    no_customer = f"No such customer: '{Customer.objects.get().pk}'"
    JobFailure.objects.create(job_id=2, error=no_customer, traceback=no_customer, attempts=1, failed_at=now)
    pay(str(Purchase.objects.get(state="open", credits=250).session_id))
    services.reconcile(now=now)
    assert ReconcileRun.objects.get().differences


def give_up_job(user: User) -> None:
    job_id = app.configure_task(name="smartspec.users.tasks.erase", queue="default").defer(user_id=str(user.pk))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job_id])


# --- Copies of Stripe's objects that none of our events brings ----------------------------------------------------

MADE_UP: dict[str, Any] = {"JSONField": {}, "DateTimeField": datetime(2026, 1, 1, tzinfo=UTC), "BooleanField": True}


def copy_from_stripe(model: Any) -> Any:
    """Make a row such as dj-stripe would make if we asked Stripe for it: hers, and naming her."""
    customer = djstripe_models.Customer.objects.get()
    told = {"id": f"{model._meta.db_table}_1", "object": "made_up", "customer": customer.id, "note": f"{NAME}: {EMAIL}"}
    values = {field.name: made_up(field) for field in model._meta.concrete_fields if needs_value(field)}
    return model._default_manager.create(**values | {"id": told["id"], "stripe_data": told})


def needs_value(field: Any) -> bool:
    return field.is_relation or not (field.null or field.has_default() or field.primary_key)


def made_up(field: Any) -> Any:
    """Return a value for a column: the newest row that it can lead to, of hers where rows have owners, or what fits."""
    if not field.is_relation:
        return MADE_UP.get(field.get_internal_type(), "1")
    if field.related_model is User:
        return None
    rows = field.related_model._default_manager.all()
    if "customer" in {other.name for other in field.related_model._meta.concrete_fields}:
        rows = rows.exclude(customer=None)
    found = rows.last()
    return copy_from_stripe(field.related_model) if found is None and not field.null else found
