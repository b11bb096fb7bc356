from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits import services
from smartspec.errors import DomainError


class Command(BaseCommand):
    help = (
        "Let a database role read the ledger and call its functions, and write its tables in no other way."
        " Run it again after every migrate: functions may be new. `manage.py doctor` tells when that was forgotten."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="the role that the server connects as; it must not own the tables")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            services.grant_ledger_role(role=options["role"])
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{options['role']} may read the ledger and call its functions, nothing else.")
