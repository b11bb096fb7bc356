"""The only writers of assets, and of what they cost."""

from media.services.arrears import (
    FILES_DELETED_AFTER,
    UPLOADS_STOP_AFTER,
    climb_ladder,
    collect_arrears,
    delete_unpaid,
    remind_unpaid,
    uploads_are_stopped,
)
from media.services.bills import Bills, DayNotOver, bill_account, bill_storage
from media.services.deletions import Swept, UnknownAsset, delete_all_assets, delete_asset, forget_files, sweep
from media.services.reconcile import Comparison, Difference, NothingInCommon, reconcile_media
from media.services.uploads import (
    FileTooLarge,
    QuotaExceeded,
    TooManyFiles,
    TypeNotAllowed,
    UnknownUser,
    Upload,
    UploadMismatch,
    UploadMissing,
    UploadsStopped,
    complete_upload,
    create_upload,
)

__all__ = [
    "FILES_DELETED_AFTER",
    "UPLOADS_STOP_AFTER",
    "Bills",
    "Comparison",
    "DayNotOver",
    "Difference",
    "FileTooLarge",
    "NothingInCommon",
    "QuotaExceeded",
    "Swept",
    "TooManyFiles",
    "TypeNotAllowed",
    "UnknownAsset",
    "UnknownUser",
    "Upload",
    "UploadMismatch",
    "UploadMissing",
    "UploadsStopped",
    "bill_account",
    "bill_storage",
    "climb_ladder",
    "collect_arrears",
    "complete_upload",
    "create_upload",
    "delete_all_assets",
    "delete_asset",
    "delete_unpaid",
    "forget_files",
    "reconcile_media",
    "remind_unpaid",
    "sweep",
    "uploads_are_stopped",
]
