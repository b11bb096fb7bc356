"""`manage.py seed_crowd`: people in every state, for demonstrations. `seed_demo --users` calls it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.sandbox import crowd
from smartspec.commands import number_from

INTERRUPTED = 130  # as shells answer after Ctrl-C


class Command(BaseCommand):
    help = (
        "Make so many people who have bought, subscribed, been refunded, disputed, been frozen and more, always the"
        " same ones, and two whose webhooks failed. Safe to run again: who exists is left alone. Needs the sandbox."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=number_from(1), default=100, help="how many (default: 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.STRIPE_SANDBOX:
            raise CommandError("The crowd pays at the sandbox, which this server does not have.")
        if not 1 <= options["users"] <= 100_000:
            raise CommandError("--users must be from 1 to 100000.")
        try:
            made = crowd.gather(options["users"], say=lambda done: self.stdout.write(f"{done} of {options['users']} …"))
        except KeyboardInterrupt:
            stopped = "Stopped. Whoever is finished stays; run it again to go on."
            raise CommandError(stopped, returncode=INTERRUPTED) from None
        self.stdout.write(f"{made} people were made.")
