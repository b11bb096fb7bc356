"""What every page of the admin shares, and the pages of the queue."""

from smartspec.admin.actions import RowAction, RowActionsMixin, require_right, staff_of
from smartspec.admin.columns import (
    badge,
    badge_column,
    column,
    credits_column,
    cut,
    follow,
    id_column,
    list_link,
    money_column,
    plain_credits,
    preformatted,
    user_column,
    words_column,
)
from smartspec.admin.editing import EditedAdmin, ReasonedModelForm
from smartspec.admin.jobs import JobAdmin
from smartspec.admin.lists import (
    BoundedPaginator,
    CompositeKeyAdmin,
    HugeAdmin,
    PlainAdmin,
    ReadOnlyAdmin,
    UserSearchMixin,
    find_user_ids,
)
from smartspec.admin.policy import PolicyMiddleware

__all__ = [
    "BoundedPaginator",
    "CompositeKeyAdmin",
    "EditedAdmin",
    "HugeAdmin",
    "JobAdmin",
    "PlainAdmin",
    "PolicyMiddleware",
    "ReadOnlyAdmin",
    "ReasonedModelForm",
    "RowAction",
    "RowActionsMixin",
    "UserSearchMixin",
    "badge",
    "badge_column",
    "column",
    "credits_column",
    "cut",
    "find_user_ids",
    "follow",
    "id_column",
    "list_link",
    "money_column",
    "plain_credits",
    "preformatted",
    "require_right",
    "staff_of",
    "user_column",
    "words_column",
]
