"""Somebody's mistake, undone: the server recovered from its archive to the moment before, by the lines of the page."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from billing.models import Purchase
from billing.tests.test_drill import Worker, buy, execute, manage, spent
from billing.tests.test_refunds import ALL, balance
from billing.tests.worlds import STRIPE
from credits import services as credits_services
from smartspec import clock
from smartspec.tests.archiving import ArchivingServer, archiving_server, page_line

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.serial]


@pytest.fixture
def server(alice: Any, bob: Any, alice_client: APIClient, bob_client: APIClient, tmp_path: Path) -> Iterator[Any]:
    """An archiving server with the product's database, which moves there by its own backup."""
    manage("backup", str(tmp_path / "moving.dump"))
    with archiving_server() as archiving:
        archiving.ask("CREATE DATABASE smartspec")
        with archiving.in_use("smartspec"):
            manage("restore", str(tmp_path / "moving.dump"))
            yield archiving


def read_tables() -> dict[str, str]:
    """Return a digest of the rows of every table, but for those whose changes no log has: rate limits and the cache."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p'"
            " AND relnamespace = 'public'::regnamespace"
        )
        return {table: digest(cursor, table) for (table,) in cursor.fetchall()}


def digest(cursor: Any, table: str) -> str:
    cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM {table} t")
    return str(cursor.fetchone()[0])


class Stripe:
    """Another company, which keeps what it knows: its tables, taken to another place and put back."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        with connection.cursor() as cursor:
            for table in STRIPE:
                with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    self.kept[table] = b"".join(bytes(block) for block in copy)

    def put_back(self) -> None:
        execute("SET session_replication_role = replica")  # no reference is looked at meanwhile
        with connection.cursor() as cursor:
            for table, rows in self.kept.items():
                cursor.execute(f"DELETE FROM {table}")
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(rows)
        execute("RESET session_replication_role")


def test_a_mistake_is_undone_to_the_moment_before_and_nothing_that_was_paid_for_is_lost(
    alice: Any,
    bob: Any,
    alice_client: APIClient,
    bob_client: APIClient,
    server: ArchivingServer,
    run_jobs: Callable[[], int],
) -> None:
    buy(alice_client, run_jobs)
    credits_services.grant(
        account_id=alice.pk, kind="adjustment", credits=Decimal(100_000), source="drill", now=clock.now()
    )
    worker = Worker(alice.pk)
    worker.start()
    server.back_up()
    jobs_at_backup = worker.jobs
    worker.stop()
    assert jobs_at_backup, "the backup was under load"
    buy(bob_client, run_jobs)
    before = read_tables()
    moment = server.note_moment()

    buy(alice_client, run_jobs)
    execute("DROP TABLE credits_hold CASCADE")
    execute("DELETE FROM billing_purchase")
    stripe = Stripe()
    server.pass_minute()
    server.lose_disk()

    recovered = server.recover(moment)
    assert recovered.returncode == 0, recovered.stderr
    assert server.start(), server.log
    assert datetime.fromisoformat(server.must(page_line("await-moment")).strip()) <= moment
    server.must(page_line("docs/postgres/promote"))
    assert read_tables() == before

    stripe.put_back()
    server.back_up()
    manage("verify_ledger")
    manage("reconcile_stripe", "--repair")
    manage("reconcile_media", "--repair")
    for command in ("verify_ledger", "reconcile_stripe", "reconcile_media"):
        manage(command)  # ends with an exit code, were anything still wrong
    assert Purchase.objects.filter(state="fulfilled").count() == 3
    assert spent(alice) == worker.jobs
    assert (balance(alice), balance(bob)) == (2 * ALL + 100_000 - worker.jobs, ALL)
