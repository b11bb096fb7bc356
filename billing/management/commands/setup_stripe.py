"""manage.py setup_stripe: products, prices, webhook endpoint and portal in whichever Stripe the keys name."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError

from billing import handlers, services
from smartspec.errors import DomainError


class Command(BaseCommand):
    help = "Create at Stripe what is missing and print the environment lines. Safe to run again."
    requires_system_checks = ()  # they ask for what only this command can print

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            setup = services.set_up_stripe(handled_events=handlers.HANDLERS, is_dry_run=options["dry_run"])
            differences = services.compare_prices()
        except DomainError as error:
            raise CommandError(error.detail) from error
        except ProgrammingError as error:  # the plans and their prices stand in the database
            raise CommandError("The database is not ready: manage.py migrate --skip-checks first.") from error
        for action in setup.actions:
            self.stdout.write(f"{'would ' if setup.is_dry_run else ''}{action}")
        for difference in differences:
            self.stderr.write(self.style.WARNING(difference))
        self.stdout.write(f"{len(setup.actions)} change(s){' to make' if setup.is_dry_run else ' made'}.")
        self.stdout.write("For the environment (.env):")
        for name, value in setup.environment.items():
            self.stdout.write(f"{name}={value}")
