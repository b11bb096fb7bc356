"""manage.py list_service_keys"""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from smartspec import clock
from smartspec.users import selectors
from smartspec.users.models import ApiKey


class Command(BaseCommand):
    help = "List the API keys of services: prefix, state, last use, scopes, name."

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        for key in selectors.list_service_keys():
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            self.stdout.write(f"{key.prefix}  {state(key, now):8}  {used:21}  {','.join(key.scopes)}  {key.name}")


def state(key: ApiKey, now: datetime) -> str:
    """Return whether a key is live, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "live"
