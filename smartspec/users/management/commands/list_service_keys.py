"""manage.py list_service_keys"""

from typing import Any

from django.core.management.base import BaseCommand

from smartspec import clock
from smartspec.users import selectors


class Command(BaseCommand):
    help = "List the API keys of services: prefix, state, last use, scopes, name."

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        for key in selectors.list_service_keys():
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            state = selectors.key_state(key=key, now=now)
            self.stdout.write(f"{key.prefix}  {state:8}  {used:21}  {','.join(key.scopes)}  {key.name}")
