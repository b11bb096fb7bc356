"""Her life with us, as far as it leaves anything behind."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.sandbox.services import acting
from billing.tests.conftest import open_credits, open_plan
from billing.tests.test_personal_data.person import ADDRESS, BROWSER, EMAIL, NAME, pay
from billing.tests.test_personal_data.whole_life import live_before, live_on
from credits import services as credits_services
from media import services as media_services
from media.tests.conftest import PNG, put
from smartspec import clock, mail
from smartspec.testing import PASSWORD, make_client, make_user
from smartspec.users.models import User


@pytest.fixture
def zephyrine(db: None) -> User:
    user: User = make_user(EMAIL, name=NAME)
    return user


@pytest.fixture
def her_client(zephyrine: User) -> APIClient:
    return make_client(zephyrine)


@pytest.fixture
def her_life(zephyrine: User, her_client: APIClient, run_jobs: Callable[..., int]) -> User:
    """She has bought, subscribed, spent, been refunded and disputed, and made a key; everything is mirrored."""
    client = APIClient(REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=BROWSER)
    client.post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    client.post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": "wrong"})
    APIClient().post("/api/auth/app/v1/auth/password/request", {"email": EMAIL})  # from no device of hers
    for session_id in (open_credits(her_client, 100), open_credits(her_client, 137), open_plan(her_client)):
        pay(session_id)
        run_jobs(mirror=True)
    hold = credits_services.place_hold(
        account_id=zephyrine.pk,
        operation="image_generation",
        reference_id="job_1",
        idempotency_key="job_1",
        now=clock.now(),
    )
    credits_services.capture_hold(hold_id=hold.id, now=clock.now())
    upload = media_services.create_upload(
        user_id=zephyrine.pk,
        filename=f"{NAME} at home.png",
        content_type="image/png",
        size_bytes=len(PNG),
        kind="image",
        reference_id=f"for {EMAIL}",
        now=clock.now(),
    )
    put(upload.url, PNG, upload.headers)
    media_services.complete_upload(asset_id=str(upload.asset.pk), now=clock.now())
    her_client.post("/api/keys", {"name": f"The laptop of {NAME}", "scopes": ["read"]})
    open_credits(her_client, 250, success_url=f"smartspec://paid?for={EMAIL}")
    bought = Purchase.objects.filter(state="fulfilled").order_by("created_at")
    acting.refund(bought[0].payment_intent_id, amount_cents=100, now=clock.now())
    acting.dispute(bought[1].payment_intent_id, step="open", now=clock.now())
    run_jobs(mirror=True)
    context = {"amount_cents": 2900, "currency": "usd", "plan": "Pro", "link": "", "access_ends_at": None}
    mail.send_mail_once(user=zephyrine, template="renewal_failed", cause="in_1", context=context, now=clock.now())
    LogEntry.objects.create(
        user=make_user("root@smartspec.test", is_staff=True),
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(zephyrine.pk),
        object_repr=str(zephyrine),
        action_flag=CHANGE,
    )
    return zephyrine


@pytest.fixture
def her_past(zephyrine: User, her_client: APIClient) -> None:
    live_before(zephyrine, her_client)


@pytest.fixture
def her_whole_life(her_past: None, her_life: User, her_client: APIClient, run_jobs: Callable[..., int]) -> User:
    """All of `her_life`, and what leaves something in every other table that can hold anything of somebody."""
    live_on(her_life, her_client, run_jobs)
    return her_life
