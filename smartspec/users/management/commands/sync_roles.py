"""`manage.py sync_roles`: what the groups of staff may do."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand

from smartspec.users import roles


class Command(BaseCommand):
    help = (
        "Bring the rights of the roles Support, Billing, Auditor and Admin up to date (smartspec/users/roles.py says"
        " what they are). Every migrate does so by itself; this puts right what somebody changed by hand. Safe to run"
        " again. Other groups, and who is in which, are left alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = roles.sync_roles(app_labels={config.label for config in apps.get_app_configs()})
        for role, count in counts.items():
            self.stdout.write(f"{role}: {count} rights")
