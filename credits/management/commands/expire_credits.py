from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits import services
from smartspec import clock
from smartspec.commands import number_from


class Command(BaseCommand):
    help = "End the lots (and holds) whose time is over now, without waiting for the sweeper."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--limit", type=number_from(1), help="accounts at most; all of them unless given")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            expired = services.expire(now=clock.now(), limit=options["limit"], dry_run=options["dry_run"])
        except services.AccountsFailed as failed:
            raise CommandError(failed.detail) from failed
        verb = "would end" if options["dry_run"] else "ended"
        self.stdout.write(f"{expired.lots} lots and {expired.holds} holds {verb} in {expired.accounts} accounts.")
