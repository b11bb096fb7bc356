"""The roles of staff, and what each may do. The groups are kept so by every `migrate`, and by `manage.py sync_roles`.

Everybody here may look at everything that the admin shows. Rows of the ledger are added, changed and deleted by nobody:
their pages are read-only, and the rights to do so are given to no role.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Group, Permission
from django.db import transaction

SUPPORT, BILLING, AUDITOR, ADMIN = "Support", "Billing", "Auditor", "Admin"

# Puts right what went wrong, within limits; moves no money.
HELPING = (
    "billing.replay_webhook",
    "billing.resend_fulfilment",
    "billing.sync_customer",
    "credits.adjust_credits",
    "credits.release_hold",
    "smartspec.retry_job",
    "users.end_session",
    "users.resend_verification",
    "users.revoke_key",
    "users.view_as_person",
)
# Decides about money, and about what is sold.
DECIDING = (
    "billing.accept_purchase",
    "billing.add_package",
    "billing.change_package",
    "billing.ignore_webhook",
    "billing.manage_subscription",
    "billing.refund_keeping_credits",
    "billing.refund_purchase",
    "credits.add_rate",
    "credits.approve_adjustment",
    "credits.change_plan",
    "credits.change_rate",
    "credits.delete_rate",
    "credits.freeze_account",
    "smartspec.ignore_job",
)
# Has the last word: keys of services, a person's data, who comes in without a second factor.
RULING = ("users.change_apikey", "users.erase_user", "users.hand_out_data", "users.remove_second_factor")

RIGHTS = {
    SUPPORT: HELPING,
    BILLING: HELPING + DECIDING,
    AUDITOR: (),
    ADMIN: HELPING + DECIDING + RULING,
}


def sync_roles(*, app_labels: Collection[str]) -> dict[str, int]:
    """This will make the groups' rights over these apps what they should be, and return how many each role has of them.

    Any number of times to the same end. Other groups, who is in which, and rights over other apps are left alone.
    """
    counts = {}
    with transaction.atomic():
        for role in RIGHTS:
            group, _ = Group.objects.get_or_create(name=role)
            wanted = find_permissions(name for name in list_rights(role) if name.split(".")[0] in app_labels)
            present = group.permissions.filter(content_type__app_label__in=app_labels)
            group.permissions.remove(*present.exclude(pk__in=[right.pk for right in wanted]))
            group.permissions.add(*wanted)
            counts[role] = len(wanted)
    return counts


def list_rights(role: str) -> set[str]:
    """Return the names of a role's rights (`app.codename`)."""
    from smartspec.admin import ReadOnlyAdmin  # it registers pages, and models come first

    rights = set(RIGHTS[role])
    for model, page in admin.site._registry.items():
        if model is Group:
            continue  # superusers alone decide who may do what
        rights.add(right_name(model, "view"))
        if role == ADMIN and not isinstance(page, ReadOnlyAdmin):
            rights |= {right_name(model, action) for action in ("add", "change", "delete")}
    return rights


def right_name(model: Any, action: str) -> str:
    return f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}"


def find_permissions(names: Iterable[str]) -> list[Permission]:
    """Return the permissions of these names (`app.codename`)."""
    wanted = set(names)
    rights = Permission.objects.select_related("content_type").filter(
        codename__in={name.split(".")[1] for name in wanted}
    )
    return [right for right in rights if f"{right.content_type.app_label}.{right.codename}" in wanted]


def sync_roles_of_app(sender: AppConfig, **kwargs: Any) -> None:
    """Follow a migration of an app: Django has just made its rights."""
    sync_roles(app_labels={sender.label})
