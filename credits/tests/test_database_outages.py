"""The database on a bad day: away, full, read-only. Whoever asks is told to come back, and nothing is half done."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from billing.sandbox.services.deliveries import sign
from credits import selectors, services
from credits.models import Hold
from smartspec import clock, operations
from smartspec.testing import maintenance_connection

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def away() -> Iterator[None]:
    """Let nobody answer where the database was."""
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["HOST"] = host


@contextmanager
def read_only() -> Iterator[None]:
    """Let the database be read and not written: what a server that has just become a replica does."""
    set_read_only("on")
    try:
        yield
    finally:
        set_read_only("off")


def set_read_only(value: str) -> None:
    with maintenance_connection() as server:
        name = connection.settings_dict["NAME"]
        server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
    connection.close()


@contextmanager
def full(table: str = "credits_hold") -> Iterator[None]:
    """Let nothing be added to a table, as a server answers whose disk is full (SQLSTATE 53100)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;"
            f"CREATE TRIGGER disk_full BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION disk_full()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER disk_full ON {table}; DROP FUNCTION disk_full()")


def full_queue() -> AbstractContextManager[None]:
    return full("procrastinate_events")


@contextmanager
def hanging() -> Iterator[None]:
    """Let whoever asks for the holds wait, for longer than anybody does."""
    connection.ensure_connection()
    connection.connection.timeout_seconds = 0.3
    name = connection.settings_dict["NAME"]
    with maintenance_connection(name) as other, other.transaction():
        other.execute("LOCK TABLE credits_hold")
        try:
            yield
        finally:
            connection.close()


@pytest.mark.parametrize("trouble", [away, read_only, full, hanging])
def test_a_job_is_refused_as_unavailable_and_may_be_asked_for_again(
    trouble: Any, alice: Any, worker_client: APIClient
) -> None:
    services.grant(account_id=alice.pk, kind="bonus", credits=Decimal(10), source="test", now=clock.now())
    order = {"user_id": str(alice.pk), "operation": "image_generation", "reference_id": "job"}
    with trouble():
        refused = worker_client.post("/api/credits/holds", order, headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert (refused["Content-Type"], int(refused["Retry-After"]) > 0) == ("application/problem+json", True)
    assert not Hold.objects.exists()
    for _ in range(2):
        assert worker_client.post("/api/credits/holds", order, headers={"Idempotency-Key": "k"}).status_code == 201
    assert Hold.objects.count() == 1
    assert selectors.verify_account(account_id=alice.pk) == []


@pytest.mark.parametrize("trouble", [away, read_only, full_queue])
def test_a_webhook_is_refused_so_that_stripe_sends_it_again(trouble: Any, db: None) -> None:
    event = {"id": "evt_1", "object": "event", "type": "charge.succeeded", "livemode": False}
    body = json.dumps(event | {"data": {"object": {"id": "ch_1", "object": "charge"}}}).encode()
    client = Client(raise_request_exception=False)

    def deliver() -> Any:
        signature = sign(body, secret="whsec_sandbox", timestamp=int(time.time()))
        return client.post(
            "/api/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature}
        )

    with trouble():
        refused = deliver()
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert deliver().status_code == 200


def test_a_server_without_its_database_is_alive_and_not_ready(db: None) -> None:
    client = Client(raise_request_exception=False)
    with away():
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        page = client.get("/account/")
        assert page.status_code in (302, 404, 503)
    time.sleep(operations.LOOK_EVERY_SECONDS)
    assert client.get("/readyz").status_code == 200
