"""manage.py revoke_service_key ssk_Ab3dE6gH"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from smartspec import clock
from smartspec.users import services


class Command(BaseCommand):
    help = "End an API key of a service for good: the next call with it is refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="its prefix, or its name while only one live key has that name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = services.revoke_service_key(prefix_or_name=options["key"], now=clock.now())
        except services.UnknownKey as error:
            raise CommandError(error.detail, returncode=2) from error
        self.stdout.write(f"Key {key.prefix} of {key.name} is revoked.")
