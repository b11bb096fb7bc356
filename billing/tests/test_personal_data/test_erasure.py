"""The erasure, after which no table knows her."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway
from billing.models import PlanChange, Purchase, Subscription, SubscriptionCheckout
from billing.sandbox import store
from billing.tests.test_personal_data.person import EMAIL, NAME, TRACES, pay, rows_that_name
from credits import services as credits_services
from credits.models import Account, Entry
from media.tests.conftest import PNG
from smartspec import clock
from smartspec.testing import PASSWORD, make_client, make_user
from smartspec.users import tasks
from smartspec.users.models import Erasure, User


class TestErasure:
    def test_leaves_no_row_that_names_her(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        customer_id = her_life.billing_customer.pk
        assert rows_that_name(EMAIL, table="django_session") != []
        assert len({row.split(":")[0] for row in rows_that_name(*TRACES)}) > 10
        assert her_client.delete("/api/me").status_code == 204
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []
        assert rows_that_name(str(her_life.pk), table="django_session") == []
        assert {row.split(":")[0] for row in rows_that_name(customer_id) if row.startswith("djstripe")} <= {
            "djstripe_webhookeventtrigger"
        }
        assert Erasure.objects.get().finished_at is not None

    def test_leaves_no_file_in_the_bucket(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        assert len(files_in(settings.R2_SANDBOX_DIR)) == 1
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert files_in(settings.R2_SANDBOX_DIR) == []

    def test_keeps_the_books(self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]) -> None:
        before = Entry.objects.filter(account_id=her_life.pk).count()
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert Entry.objects.filter(account_id=her_life.pk).count() >= before
        assert Purchase.objects.filter(user=her_life, state="fulfilled").count() == 2
        assert her_life.pk == Account.objects.get(user__email__endswith="@erased.invalid").pk

    def test_ends_her_subscription_and_open_checkouts(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert Subscription.objects.get().status == "canceled"
        assert {session["status"] for session in store.find("checkout.session")} == {"complete", "expired"}
        assert not Purchase.objects.filter(state="open").exists()

    def test_ends_sessions_and_keys_at_once(self, her_client: APIClient, her_life: User) -> None:
        key = her_client.post("/api/keys", {"name": "another", "scopes": ["read"]}).json()["key"]
        her_client.delete("/api/me")
        assert her_client.get("/api/me").status_code == 401
        assert APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}").get("/api/me").status_code == 401
        login = APIClient().post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
        assert login.status_code in (400, 401)

    def test_forgets_by_which_keys_her_program_asked(
        self, zephyrine: User, her_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        for address, body in (("credits", {"credits_amount": 50}), ("subscription", {"plan": "pro"})):
            headers = {"Idempotency-Key": f"{address} for {EMAIL}"}
            assert her_client.post(f"/api/payment/checkout/{address}", body, headers=headers).status_code == 200
        pay(SubscriptionCheckout.objects.get().session_id or "")
        run_jobs()
        body = {"subscription_id": Subscription.objects.get().pk, "new_plan": "enterprise", "new_interval": "monthly"}
        headers = {"Idempotency-Key": f"change for {EMAIL}"}
        assert her_client.post("/api/payment/subscription/change-plan", body, headers=headers).status_code == 200
        assert PlanChange.objects.get().answer
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert rows_that_name(EMAIL) == []
        assert PlanChange.objects.get().answer == {}  # it may have the link to a payment page with her name

    def test_lets_no_worker_spend_for_her(
        self, her_client: APIClient, her_life: User, worker_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs()
        body = {"user_id": str(her_life.pk), "operation": "image_generation", "reference_id": "job_2"}
        answer = worker_client.post("/api/credits/holds", body, headers={"Idempotency-Key": "job_2"})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")

    def test_gives_her_address_no_second_free_allowance(
        self, zephyrine: User, her_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        assert credits_services.give_allowances(account_id=zephyrine.pk, now=clock.now())
        her_client.delete("/api/me")
        run_jobs()
        again = make_user(EMAIL, name=NAME)
        assert credits_services.give_allowances(account_id=again.pk, now=clock.now()) == []

    def test_is_gone_through_again_without_harm(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        finished_at = Erasure.objects.get().finished_at
        tasks.erase(str(her_life.pk))
        run_jobs(mirror=True)
        assert Erasure.objects.get().finished_at == finished_at
        assert rows_that_name(*TRACES) == []


def files_in(bucket: Path) -> list[Path]:
    return [path for path in bucket.rglob("*") if path.is_file() and PNG in path.read_bytes()]


class TestAFailureHalfWay:
    def test_of_stripe_keeps_no_file(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        her_client.delete("/api/me")
        with pytest.raises(gateway.StripeUnavailable):
            run_jobs()
        assert files_in(settings.R2_SANDBOX_DIR) == []
        assert User.objects.get(pk=her_life.pk).email == EMAIL  # the next attempt looks for it

    def test_is_made_good_by_the_job(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoStripe"
        assert her_client.delete("/api/me").status_code == 204
        with pytest.raises(gateway.StripeUnavailable):
            run_jobs()
        assert (Erasure.objects.get().finished_at, User.objects.get(pk=her_life.pk).is_active) == (None, False)
        settings.STRIPE_HTTP_CLIENT = working
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []

    def test_is_found_even_when_its_job_was_lost(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        ProcrastinateJob.objects.all()._raw_delete("default")
        tasks.look_after_erasures(0)
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []


@pytest.mark.django_db(transaction=True)
class TestTwoDeletesAtOnce:
    def test_are_one(self, alice: User) -> None:
        clients = [make_client(alice) for _ in range(4)]

        def delete(client: APIClient) -> int:
            try:
                return client.delete("/api/me").status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(delete, clients))
        assert set(answers) <= {204, 401}
        assert 204 in answers
        assert ProcrastinateJob.objects.filter(task_name="smartspec.users.tasks.erase").count() == 1
