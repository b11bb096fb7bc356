"""Files and what they cost in the admin: to look at, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from media import services
from media.models import Asset, StorageDay
from media.tests.conftest import GIGABYTE, Store
from smartspec.admin import ReadOnlyAdmin
from smartspec.testing import make_user

LISTS = ("asset", "storageaccount", "storageday", "storageevent")


@pytest.fixture
def support(db: None) -> Client:
    call_command("sync_roles", verbosity=0)
    user = make_user("support@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def asset(store: Store, on_plan: Callable[..., None]) -> Asset:
    """A file of Alice's, billed for a day that she could not pay."""
    on_plan("pro")
    asset = store(3 * GIGABYTE)
    services.bill_storage(now=datetime(2026, 3, 11, 0, 11, tzinfo=UTC))
    return asset


@pytest.mark.parametrize("name", LISTS)
def test_list_finds_a_users_rows_and_shows_them(support: Client, alice: Any, bob: Any, asset: Asset, name: str) -> None:
    url = reverse(f"admin:media_{name}_changelist")
    assert support.get(url).status_code == 200
    found = support.get(url, {"q": alice.email})
    assert found.context["cl"].result_count == 1
    assert support.get(url, {"q": bob.email}).context["cl"].result_count == 0
    row = found.context["cl"].result_list[0]
    key = f"{row.pk[0]}~{row.pk[1]}" if isinstance(row, StorageDay) else str(row.pk)
    page = support.get(reverse(f"admin:media_{name}_change", args=[key]))
    assert page.status_code == 200
    assert alice.email in page.content.decode()


def test_an_asset_is_found_by_its_key_and_its_reference(support: Client, asset: Asset) -> None:
    url = reverse("admin:media_asset_changelist")
    for term in (str(asset.pk), asset.key):
        assert support.get(url, {"q": term}).context["cl"].result_count == 1
    assert support.get(url, {"q": asset.key[:-1]}).context["cl"].result_count == 0


@pytest.mark.parametrize("name", LISTS)
def test_no_column_sorts_a_whole_table(support: Client, asset: Asset, name: str) -> None:
    answer = support.get(reverse(f"admin:media_{name}_changelist"))
    assert not list(answer.context["cl"].model_admin.get_sortable_by(answer.wsgi_request))


def test_nobody_changes_anything() -> None:
    pages = [page for model, page in admin.site._registry.items() if model._meta.app_label == "media"]
    assert len(pages) == len(LISTS)
    assert all(isinstance(page, ReadOnlyAdmin) for page in pages)
