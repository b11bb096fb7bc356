"""manage.py bill_storage: charge the days that are over."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from media import services
from smartspec import clock
from smartspec.commands import day
from smartspec.errors import DomainError
from smartspec.templatetags.amounts import credits_text

PROGRESS_EVERY = 1000


class Command(BaseCommand):
    help = (
        "Charge every account for what its files occupied on each day that is over and not billed yet, arrears first."
        " It runs by itself every hour; running it again, or twice at once, charges nothing twice. Exit 1 when an"
        " account failed; the next run tries it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--until", type=day, metavar="YYYY-MM-DD", help="only days before this one (default: today)"
        )
        parser.add_argument("--dry-run", action="store_true", help="reckon, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        shown = 0

        def show(bills: services.Bills) -> None:
            nonlocal shown
            if bills.accounts - shown >= PROGRESS_EVERY:
                shown = bills.accounts
                self.stderr.write(
                    f"{bills.accounts} accounts, {bills.days} days, {credits_text(bills.credits)} credits"
                )

        try:
            bills = services.bill_storage(
                now=clock.now(), until=options["until"], is_dry_run=options["dry_run"], on_progress=show
            )
        except DomainError as error:
            raise CommandError(error.detail) from error
        cost = credits_text(bills.credits)
        if options["dry_run"]:
            self.stdout.write(f"{bills.accounts} accounts would be charged {cost} credits for {bills.days} days.")
        else:
            self.stdout.write(
                f"{bills.accounts} accounts were charged {cost} credits for {bills.days} days:"
                f" {credits_text(bills.paid)} paid, {credits_text(bills.credits - bills.paid)} in arrears."
                f" {credits_text(bills.collected)} of older arrears were paid."
            )
        if bills.failed:
            self.stderr.write(f"{bills.failed} accounts failed; the log says why.")
            sys.exit(1)
