"""`manage.py sync_roles`: what the groups of staff may do."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand
from django.db import transaction

from smartspec.admin import ReadOnlyAdmin

SUPPORT = "Support"
ADMINISTRATORS = "Administrators"
# What an administrator may do to a read-only list all the same.
FURTHER_RIGHTS = ("users.change_apikey",)


class Command(BaseCommand):
    help = (
        "Create the groups Support (looks at everything in the admin, changes nothing) and Administrators (edits the"
        " catalogue and people's names as well), or bring their rights up to date. Safe to run again; run it after each"
        " migration. Other groups, and who is in which, are left alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        viewing, editing = set(), set()
        for model, page in admin.site._registry.items():
            if model is Group:
                continue  # superusers alone decide who may do what
            viewing.add(permission_name(model, "view"))
            if not isinstance(page, ReadOnlyAdmin):
                editing |= {permission_name(model, action) for action in ("add", "change", "delete")}
        with transaction.atomic():
            for name, wanted in {SUPPORT: viewing, ADMINISTRATORS: viewing | editing | set(FURTHER_RIGHTS)}.items():
                group, _ = Group.objects.get_or_create(name=name)
                rights = find_permissions(wanted)
                group.permissions.set(rights)
                self.stdout.write(f"{name}: {len(rights)} rights")


def permission_name(model: Any, action: str) -> str:
    return f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}"


def find_permissions(names: set[str]) -> list[Permission]:
    """Return the permissions of these names (`app.action_model`)."""
    rights = Permission.objects.select_related("content_type").filter(
        content_type__in=ContentType.objects.filter(app_label__in={name.split(".")[0] for name in names}),
        codename__in={name.split(".")[1] for name in names},
    )
    return [right for right in rights if f"{right.content_type.app_label}.{right.codename}" in names]
