"""What media's tests share: files in the bucket, accounts with files of any size, and the counters checked after."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client
from rest_framework.test import APIClient

from credits import selectors as credits_selectors
from credits import services as credits_services
from media import services
from media.models import Asset, AssetCount, StorageAccount
from media.selectors import ASSETS_PER_BLOCK
from media.services import accounts
from media.storage import R2Client, get_r2_client

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 992
MEGABYTE, GIGABYTE = 10**6, 10**9

Announce = Callable[..., services.Upload]
Store = Callable[..., Asset]


@pytest.fixture
def r2() -> R2Client:
    return get_r2_client()


@pytest.fixture
def counters_add_up(alice: Any) -> Iterator[None]:
    """After the test, whatever it did, what is counted of each account is what its assets add up to."""
    yield
    if not connection.needs_rollback:
        for account in StorageAccount.objects.all():
            assert_counters(account)


def assert_counters(account: StorageAccount) -> None:
    """Assert that an account's counters are what its assets add up to."""
    assets = Asset.objects.filter(user_id=account.user_id)
    stored = assets.filter(status=Asset.Status.STORED)
    assert account.stored_bytes == (stored.aggregate(total=Sum("size_bytes"))["total"] or 0)
    assert account.used_bytes == (assets.filter(cleaned_at=None).aggregate(total=Sum("size_bytes"))["total"] or 0)
    counted = {(row.kind, row.block): row.assets for row in AssetCount.objects.filter(user_id=account.user_id)}
    for asset in stored:
        counted[(asset.kind, asset.number // ASSETS_PER_BLOCK)] -= 1
    assert not any(counted.values())


def put(url: str, body: bytes, headers: dict[str, str]) -> Any:
    """Send a file to the bucket as a program outside does, and return the bucket's answer."""
    others = {name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Length")}
    return Client().put(url, body, content_type=headers["Content-Type"], headers={"host": "localhost:8000"} | others)


def lay(key: str, body: bytes = PNG) -> str:
    """Put a file into the bucket behind the product's back, and return its key."""
    with NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        get_r2_client().upload_file(file_path=file.name, key=key, content_type="image/png")
    return key


def fetch(url: str) -> Any:
    """Get a file by its URL, as a program outside does."""
    return Client().get(url, headers={"host": "localhost:8000"})


@pytest.fixture
def announce(alice: Any, counters_add_up: None, now: datetime) -> Announce:
    """Return a function that announces a PNG of Alice's, or what the arguments say."""

    def run(**changes: Any) -> services.Upload:
        arguments: dict[str, Any] = {
            "user_id": alice.pk,
            "filename": "cat.png",
            "content_type": "image/png",
            "size_bytes": len(PNG),
            "kind": "image",
            "now": now,
        }
        return services.create_upload(**(arguments | changes))

    return run


@pytest.fixture
def upload(announce: Announce, now: datetime) -> Store:
    """Return a function that announces, sends and completes a file of Alice's."""

    def run(body: bytes = PNG, *, at: datetime = now, **changes: Any) -> Asset:
        announced = announce(size_bytes=len(body), now=at, **changes)
        assert put(announced.url, body, announced.headers).status_code == 200
        return services.complete_upload(asset_id=str(announced.asset.pk), now=at)

    return run


@pytest.fixture
def store(announce: Announce, now: datetime) -> Store:
    """Return a function that makes a stored asset of any size, without a file in the bucket."""

    def run(size_bytes: int, *, at: datetime = now, **changes: Any) -> Asset:
        asset = announce(size_bytes=size_bytes, now=at, **changes).asset
        with transaction.atomic():
            accounts.store(accounts.lock_account(user_id=asset.user_id), asset, now=at)
        return asset

    return run


@pytest.fixture
def on_plan(alice: Any, now: datetime) -> Callable[..., None]:
    """Return a function that puts Alice on a plan."""

    def run(plan: str, *, at: datetime = now) -> None:
        credits_services.set_plan(
            account_id=alice.pk, plan=plan, anchor_at=at, paid_until=at + timedelta(days=31), source=plan, now=at
        )

    return run


@pytest.fixture
def give(alice: Any, now: datetime) -> Callable[..., None]:
    """Return a function that gives Alice credits."""

    def run(credits: str, *, at: datetime = now) -> None:
        credits_services.grant(
            account_id=alice.pk, kind="bonus", credits=Decimal(credits), source=f"test:{uuid4()}", now=at
        )

    return run


@pytest.fixture
def available(alice: Any) -> Callable[[datetime], Decimal]:
    """Return a function that tells what Alice has at a moment."""
    return lambda at: credits_selectors.get_balance(account_id=alice.pk, now=at).available


@pytest.fixture
def usage(alice: Any) -> Callable[[datetime], Any]:
    """Return a function that tells what Alice's files occupy at a moment."""
    from media import selectors

    return lambda at: selectors.get_usage(user_id=alice.pk, now=at)


def service_client(*scopes: str) -> APIClient:
    """Return the client of a service whose key has these scopes."""
    from smartspec import clock
    from smartspec.users import services as users_services

    issued = users_services.create_service_key(name="test worker", scopes=scopes, now=clock.now())
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {issued.secret}")


@pytest.fixture
def uploader_client(db: None) -> APIClient:
    """A generation worker that may upload."""
    return service_client("media:write")


def ledger_lines(account_id: UUID) -> list[tuple[str, str, str]]:
    """Return what storage has written to an account's ledger, oldest first."""
    from credits.models import Entry

    lines = Entry.objects.filter(account_id=account_id, reference_type="storage").order_by("number")
    return [(line.reference_id, f"{line.delta_credits.normalize():f}", line.description) for line in lines]
