"""Every table, none forgotten: what it holds of a person, who is given it, and what is left of it."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from rest_framework.test import APIClient

from billing import selectors
from billing.tests.test_personal_data.person import (
    TRACES,
    all_tables,
    export_of,
    rows_that_name,
    things_of,
)
from billing.tests.test_personal_data.tables import BOOKS, CUSTOMER_ID, EXPORTED, LEFT_OUT, NOBODYS
from media.storage import get_r2_client
from media.tests.conftest import PNG
from smartspec.users.models import User


def tables_of(found: list[str]) -> set[str]:
    return {row.split(":")[0] for row in found}


def test_her_life_fills_every_table_that_can_hold_something_of_a_person(her_whole_life: User) -> None:
    models = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    tables = set(all_tables())
    assert {table for table in models - tables if not table.startswith("billing_sandbox_")} == set()
    filled = tables_of(rows_that_name(*things_of(her_whole_life)))
    assert filled | set(NOBODYS) == tables - {"users_erasure"}  # that is filled by what comes then
    assert filled & set(NOBODYS) == set()
    assert {*BOOKS, *EXPORTED, *LEFT_OUT, *CUSTOMER_ID} - {"users_erasure"} <= filled


class TestExport:
    def test_has_something_of_every_table(self, her_client: APIClient, her_whole_life: User) -> None:
        data = export_of(her_client)
        copied = {copy["id"] for copy in data["copied_from_stripe"]}
        copies = {model._meta.db_table: model for model in selectors.mirrored_models("id", "stripe_data")}
        filled = tables_of(rows_that_name(*things_of(her_whole_life)))
        told = {table for table in EXPORTED if data[EXPORTED[table]]}
        told |= {table for table, model in copies.items() if copied & set(model.objects.values_list("id", flat=True))}
        assert filled - told == set(LEFT_OUT)


class TestErasure:
    def test_leaves_nothing_that_names_her(
        self, her_client: APIClient, her_whole_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        her_id, customer_id = str(her_whole_life.pk), her_whole_life.billing_customer.pk
        bucket = settings.R2_SANDBOX_DIR
        assert len(list(get_r2_client().list_files())) == 2
        assert her_client.delete("/api/me").status_code == 204
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []
        assert tables_of(rows_that_name(customer_id)) == set(CUSTOMER_ID)
        assert tables_of(rows_that_name(her_id)) == set(BOOKS)
        assert list(get_r2_client().list_files()) == []
        assert not [path for path in bucket.rglob("*") if path.is_file() and PNG in path.read_bytes()]
