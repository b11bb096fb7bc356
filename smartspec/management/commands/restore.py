from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from smartspec import backups
from smartspec.commands import progress_on
from smartspec.errors import DomainError

NEXT = """Restored. What happened after the backup is still known to Stripe and to the bucket:

  manage.py migrate                        if the backup is of an older version
  manage.py verify_ledger                  the books add up
  manage.py reconcile_stripe --repair      payments, refunds and subscriptions since then
  manage.py reconcile_media --repair       files since then
  manage.py grant_ledger_role ROLE         if web and worker run under a role of their own

Who was erased since then is known here again. reconcile_stripe asks again for the erasure of those who were customers
at Stripe; of all others the log says "Erasure asked for" with a user_id: ask again on that person's page.
"""


class Command(BaseCommand):
    help = (
        "Put the database back to what it was when `manage.py backup` wrote the file: everything or, if anything goes"
        " wrong, nothing. Until it is done the database's disk holds what was and what comes. Stop web server, worker"
        " and PgBouncer first. A database that has users is replaced only with --replace."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="a file that manage.py backup wrote")
        parser.add_argument("--replace", action="store_true", help="give up what the database holds now")

    def handle(self, *args: Any, **options: Any) -> None:
        show = progress_on(self.stderr)
        try:
            backups.restore(path=options["path"], replace=options["replace"], on_progress=show)
        except DomainError as error:
            raise CommandError(error.detail) from error
        show("")
        self.stdout.write(NEXT)
