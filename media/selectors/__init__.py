"""Reads of assets and of what they occupy. They never write, and never call the bucket."""

from media.selectors.assets import (
    ASSETS_PER_BLOCK,
    AssetPage,
    KeyedAsset,
    find_asset,
    iterate_assets_by_key,
    list_assets,
    list_assets_to_clean,
    list_unfinished_uploads,
)
from media.selectors.storage import (
    OPERATION,
    StorageSums,
    StorageUsage,
    count_unpaid_accounts,
    get_quota_bytes,
    get_usage,
    iterate_accounts_to_bill,
    iterate_storage_sums,
    iterate_unpaid_accounts,
    list_storage_events,
    storage_rate,
    sum_unpaid_credits,
)

__all__ = [
    "ASSETS_PER_BLOCK",
    "OPERATION",
    "AssetPage",
    "KeyedAsset",
    "StorageSums",
    "StorageUsage",
    "count_unpaid_accounts",
    "find_asset",
    "get_quota_bytes",
    "get_usage",
    "iterate_accounts_to_bill",
    "iterate_assets_by_key",
    "iterate_storage_sums",
    "iterate_unpaid_accounts",
    "list_assets",
    "list_assets_to_clean",
    "list_storage_events",
    "list_unfinished_uploads",
    "storage_rate",
    "sum_unpaid_credits",
]
