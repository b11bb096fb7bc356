"""What the bench's database holds, loaded by COPY with the numbers that the services themselves would have written."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import connection

from media.selectors import ASSETS_PER_BLOCK

FILE_BYTES = 1_000_000
STORED_BYTES = 5 * 10**9  # of each account that is billed
CREDITS = Decimal(1000)  # of each, in one lot: what a day of storage takes of it is a thousandth of one
PLAN_LASTS = timedelta(days=365)

USER = ("id", "password", "is_superuser", "email", "name", "is_staff", "is_active", "created_at", "language")
ACCOUNT = (
    *("account_id", "available", "held", "debt", "entry_count", "hold_count", "head_grant", "next_due_at"),
    *("last_entry_at", "frozen_causes", "plan", "plan_source", "anchor_at", "period_start_at", "period_end_at"),
    *("period_used", "opened_at"),
)
GRANT = (
    *("account_id", "number", "kind", "source", "credits", "remaining", "repaid", "expired", "clawed_back"),
    *("priority", "is_paid", "is_open", "effective_at"),
)
ENTRY = (
    *("account_id", "number", "entry_type", "delta_credits", "balance_after", "type_number", "type_credits_after"),
    *("reference_type", "reference_id", "model_id", "description", "created_at"),
)
ENTRY_TOTAL = ("account_id", "entry_type", "entries", "credits")
STORAGE = (
    *("account_id", "asset_count", "used_bytes", "stored_bytes", "metered_at", "day_byte_seconds", "billed_until"),
    *("carried", "billed_credits", "paid_credits", "step"),
)
ASSET = (
    *("id", "user_id", "number", "kind", "content_type", "filename", "key", "size_bytes", "reference_id", "status"),
    *("created_at", "upload_expires_at", "stored_at"),
)
COUNT = ("user_id", "kind", "block", "assets")


def user_id(name: str) -> UUID:
    """Return the id of one of the bench's people."""
    return uuid5(NAMESPACE_URL, f"bench:{name}")


def load_people(names: Iterable[str], *, stored_bytes: int, now: datetime) -> list[UUID]:
    """This will make people with credits whose files have occupied so much since `now`, and return their ids."""
    ids = [user_id(name) for name in names]
    copy("users_user", USER, ((one, "!", False, f"{one}@bench.test", "Bench", False, True, now, "en") for one in ids))
    end_at = now + PLAN_LASTS
    plan = ("{}", "pro", "bench", now, now, end_at, 0, now)
    copy("credits_account", ACCOUNT, ((one, CREDITS, 0, 0, 1, 0, 1, end_at, now, *plan) for one in ids))
    lot = (1, "bonus", "bench", CREDITS, CREDITS, 0, 0, 0, 100, False, True, now)
    copy("credits_grant", GRANT, ((one, *lot) for one in ids))
    entry = (1, "bonus", CREDITS, CREDITS, 1, CREDITS, "", "", "", "Bonus", now)
    copy("credits_entry", ENTRY, ((one, *entry) for one in ids))
    copy("credits_entrytotal", ENTRY_TOTAL, ((one, "bonus", 1, CREDITS) for one in ids))
    meter = (stored_bytes, stored_bytes, now, 0, now.astimezone(UTC).date(), 0, 0, 0, "none")
    copy("media_storageaccount", STORAGE, ((one, 0, *meter) for one in ids))
    return ids


def load_assets(owner: UUID, count: int, *, now: datetime) -> None:
    """This will give a person so many stored images, and count them."""
    copy("media_asset", ASSET, assets(owner, count, now=now))
    blocks = range(count // ASSETS_PER_BLOCK + 1)
    counted = ((block, in_block(block, count)) for block in blocks)
    copy("media_assetcount", COUNT, ((owner, "image", block, number) for block, number in counted if number))


def assets(owner: UUID, count: int, *, now: datetime) -> Iterator[tuple[object, ...]]:
    for number in range(1, count + 1):
        asset_id = uuid5(owner, str(number))
        key = f"generations/{owner}/{asset_id}.png"
        named = (asset_id, owner, number, "image", "image/png", f"image-{number}.png", key)
        yield *named, FILE_BYTES, f"job-{number}", "stored", now, now, now


def in_block(block: int, count: int) -> int:
    """Return how many of the numbers 1 to `count` lie in a block."""
    first = max(block * ASSETS_PER_BLOCK, 1)
    return max(min((block + 1) * ASSETS_PER_BLOCK, count + 1) - first, 0)


def analyse() -> None:
    """This will let the server see what has been loaded, as it would by itself after a while."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def copy(table: str, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as target:
        for row in rows:
            target.write_row(row)
