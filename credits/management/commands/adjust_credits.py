from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from credits import selectors, services
from credits.prices import plain
from smartspec import clock
from smartspec.commands import find_user_id, signed_number
from smartspec.errors import DomainError


class Command(BaseCommand):
    help = "Give credits to a person, or take them (a negative number; never more than is available), with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the user's e-mail address or id")
        parser.add_argument("credits", type=signed_number, help="10, or -2.5")
        parser.add_argument("--reason", required=True, help="what the person reads in their history")
        parser.add_argument("--key", default="", help="the same key twice adjusts once")
        parser.add_argument("--dry-run", action="store_true", help="show what would be, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["reason"].strip():
            raise CommandError("--reason is empty: say what the person reads in their history.", returncode=2)
        now = clock.now()
        account_id = find_user_id(options["account"])
        before = selectors.get_balance(account_id=account_id, now=now).available
        try:
            with transaction.atomic():
                services.adjust(
                    account_id=account_id,
                    credits=options["credits"],
                    reason=options["reason"],
                    idempotency_key=options["key"] or f"command:{uuid4()}",
                    actor="manage.py",
                    now=now,
                )
                after = selectors.get_balance(account_id=account_id, now=now).available
                transaction.set_rollback(options["dry_run"])  # the ledger itself has said what would be
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        if options["dry_run"]:
            self.stdout.write(
                f"{plain(before)} credits are available; {options['credits']:+f} would make {plain(after)}."
            )
        else:
            self.stdout.write(f"{plain(before)} credits were available, {plain(after)} are now.")
