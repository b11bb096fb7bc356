"""The worst day, as a drill: a backup under load, the database lost, restored, and nothing gone that was paid for."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_refunds import ALL, balance
from billing.tests.worlds import StripeSnapshot
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Entry
from smartspec import clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.serial]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 92


class Worker(threading.Thread):
    """A generation worker that holds and captures, one credit each, until it is told to stop."""

    def __init__(self, account_id: Any) -> None:
        super().__init__(daemon=True)
        self.account_id, self.stopped, self.jobs = account_id, threading.Event(), 0

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                key = f"drill-{self.jobs}"
                placed = credits_services.place_hold(
                    account_id=self.account_id,
                    operation="image_generation",
                    reference_id=key,
                    idempotency_key=key,
                    now=clock.now(),
                )
                credits_services.capture_hold(hold_id=placed.id, now=clock.now())
                self.jobs += 1
        finally:
            connection.close()

    def stop(self) -> None:
        self.stopped.set()
        self.join(30)
        assert not self.is_alive()


@pytest.fixture
def worker(alice: Any) -> Iterator[Worker]:
    working = Worker(alice.pk)
    yield working
    working.stopped.set()


@pytest.fixture
def server_role(db: None) -> Iterator[str]:
    """A database role that owns nothing, and that nothing was granted to."""
    name = "drill_server"
    execute(f"CREATE ROLE {name}")
    yield name
    connect_as(None)
    execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def connect_as(role: str | None) -> None:
    """Let every new connection to the database, the worker's too, work under a role; None: as the owner of all."""
    connection.settings_dict["OPTIONS"]["options"] = f"-c role={role}" if role else ""
    connections.close_all()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def manage(command: str, *arguments: str) -> str:
    said = StringIO()
    call_command(command, *arguments, stdout=said, stderr=StringIO())
    return said.getvalue()


def buy(client: APIClient, run_jobs: Callable[[], int]) -> None:
    pay(open_credits(client, 100))
    run_jobs()


def upload(client: APIClient) -> str:
    """Store a file by the API and return its id."""
    body = {"filename": "cat.png", "content_type": "image/png", "kind": "image", "size_bytes": len(PNG)}
    announced = client.post("/api/media/assets", body).json()
    sent = Client().put(
        announced["upload"]["url"],
        PNG,
        content_type="image/png",
        headers={"host": "localhost:8000", "if-none-match": "*"},
    )
    assert sent.status_code == 200, sent.content
    asset_id = str(announced["asset"]["id"])
    assert client.post(f"/api/media/assets/{asset_id}/complete").status_code == 200
    return asset_id


def lose_the_database() -> StripeSnapshot:
    """Destroy every table. Stripe is another company, and keeps what it knows."""
    stripe = StripeSnapshot("stripe_elsewhere")
    execute("DROP SCHEMA public CASCADE")
    connections.close_all()
    return stripe


def spent(user: Any) -> Decimal:
    return -sum(
        (entry.delta_credits for entry in Entry.objects.filter(account_id=user.pk, entry_type="usage")), Decimal(0)
    )


def test_nothing_that_was_paid_for_is_lost_with_the_database(
    alice: Any,
    bob: Any,
    alice_client: APIClient,
    bob_client: APIClient,
    worker: Worker,
    run_jobs: Callable[[], int],
    tmp_path: Path,
) -> None:
    buy(alice_client, run_jobs)
    credits_services.grant(
        account_id=alice.pk, kind="adjustment", credits=Decimal(100_000), source="drill", now=clock.now()
    )
    kept = upload(alice_client)

    worker.start()
    manage("backup", str(tmp_path / "nightly.dump"))
    jobs_at_backup = worker.jobs
    worker.stop()
    assert jobs_at_backup, "the backup was under load"

    buy(alice_client, run_jobs)
    buy(bob_client, run_jobs)
    pay(open_plan(bob_client))
    run_jobs()
    orphaned = upload(alice_client)

    stripe = lose_the_database()
    manage("restore", str(tmp_path / "nightly.dump"))
    stripe.put_back()
    assert Purchase.objects.count() == 1
    assert spent(alice) <= worker.jobs

    manage("verify_ledger")
    manage("reconcile_stripe", "--repair")
    manage("reconcile_media", "--repair")
    for command in ("verify_ledger", "reconcile_stripe", "reconcile_media"):
        manage(command)  # ends with an exit code, were anything still wrong
    assert Purchase.objects.filter(state="fulfilled").count() == 3
    assert balance(alice) == 2 * ALL + 100_000 - spent(alice)
    assert balance(bob) == ALL + 500
    assert bob_client.get("/api/payment/subscription").json()["plan"] == "pro"
    assert alice_client.get(f"/api/media/assets/{kept}").status_code == 200
    assert alice_client.get(f"/api/media/assets/{orphaned}").status_code == 404


def test_a_server_under_a_role_of_its_own_goes_on_after_a_restore(
    alice: Any, alice_client: APIClient, server_role: str, tmp_path: Path
) -> None:
    """Requests, the worker and every periodic task: a restore forgets all rights, and one command gives them again."""
    manage("backup", str(tmp_path / "nightly.dump"))
    manage("restore", str(tmp_path / "nightly.dump"), "--replace")
    manage("grant_ledger_role", server_role)

    connect_as(server_role)
    pay(open_credits(alice_client, 100))
    pay(open_plan(alice_client))
    call_command("procrastinate", "worker", "--one-shot", "--concurrency", "1")
    assert balance(alice) == ALL + 500
    for periodic in app.periodic_registry.periodic_tasks.values():
        periodic.task.configure().defer(timestamp=0)
    call_command("procrastinate", "worker", "--one-shot", "--concurrency", "1")
    assert list(ProcrastinateJob.objects.exclude(status="succeeded").values_list("task_name", flat=True)) == []
    upload(alice_client)
    assert [role.faults for role in credits_selectors.list_ledger_roles()] == [()]
