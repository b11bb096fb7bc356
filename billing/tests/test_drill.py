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
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.tests.conftest import open_credits, open_plan, pay
from billing.tests.test_refunds import ALL, balance
from billing.tests.worlds import StripeSnapshot
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
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
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
