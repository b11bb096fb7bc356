from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits import services
from smartspec.errors import DomainError


class Command(BaseCommand):
    help = (
        "Let a database role serve: read and write every table but the ledger's, which it may only read, and change by"
        " the ledger's functions. Run it as the tables' owner, again after every migrate and restore: tables and"
        " functions are new. `manage.py doctor` tells when that was forgotten."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="the role that the server connects as; it must not own the tables")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            services.grant_ledger_role(role=options["role"])
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{options['role']} may serve; the ledger it may read, and change by its functions alone.")
