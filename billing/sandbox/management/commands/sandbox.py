"""`manage.py sandbox …`: time, customers, banks and faulty webhooks, for people without curl."""

import argparse
import asyncio
import contextlib
import inspect
import logging
from datetime import datetime, timedelta
from math import nan
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from psycopg.errors import UndefinedTable

from billing.sandbox import store, year
from billing.sandbox.errors import StripeError
from billing.sandbox.services import acting, faults, moving
from smartspec import clock
from smartspec.commands import number_from

NOT_PREPARED = (
    "This database is not prepared yet. Run the product once (make run), or manage.py migrate and"
    " manage.py seed_sandbox, and try again."
)
MOST_DAYS = 3660  # ten years
NOT_RUN = {"billing.sandbox.tasks.pass_time"}  # moving time does it itself


class Command(BaseCommand):
    help = "Play with the Stripe sandbox: move time forward, pay, decline, refund, dispute, disturb webhooks."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        advance = verbs.add_parser(
            "advance", help="move time forward: renewals, retries, trials and ends happen, webhooks are delivered"
        )
        advance.add_argument("--days", type=days, required=True, help="how far, in days")
        advance.add_argument("--customer", metavar="EMAIL_OR_CUS", help="only this customer's time, not the app's")
        for verb, what in (
            ("pay", "pay a session, an invoice or a waiting payment; a customer also gets a card that works"),
            ("decline", "let a payment fail; a customer gets a card that fails from now on"),
        ):
            self.add_target(verbs.add_parser(verb, help=what))
        refund = self.add_target(verbs.add_parser("refund", help="refund the newest payment, whole or in part"))
        refund.add_argument("--amount", type=number_from(1), metavar="CENTS", help="a part of it")
        refund.add_argument("--fail", action="store_true", help="the bank sends the refund back")
        dispute = self.add_target(verbs.add_parser("dispute", help="play the bank that disputes the newest payment"))
        dispute.add_argument("--amount", type=number_from(1), metavar="CENTS", help="a part of it")
        dispute.add_argument(
            "--step", choices=("open", "inquire", "escalate", "win", "lose"), default="open", help="default: open"
        )
        year = verbs.add_parser(
            "year",
            help="play a year of seven people in about a minute, print it, and check it",
            description=(
                "Play the year that ends now for seven new people: one pays Pro by the year, one's card fails and"
                " recovers, one's never does, one changes up, one changes down, one is refunded, one disputes."
                " They use the product's own API; Stripe's side is the sandbox, by a clock of their own, so that nobody"
                " else's time moves; webhooks are signed, delivered and worked on. Prints every month's invoices,"
                " entries and balances with the expected figures, then runs verify_ledger, and reconcile_stripe for the"
                " seven. Exit 1 when anything is not as expected. Works beside a running product and without one; each"
                " run adds seven people, who stay."
            ),
        )
        year.add_argument("--summary", action="store_true", help="the last table alone, without every month")
        webhooks = verbs.add_parser("webhooks", help="duplicate, reorder, delay or drop webhooks, list or clear that")
        webhooks.add_argument("action", choices=("duplicate", "reorder", "delay", "drop", "list", "clear"))
        webhooks.add_argument("--type", default="*", help="only events of this type; invoice.* is many")
        webhooks.add_argument("--count", type=number_from(1), help="only the next so many")
        webhooks.add_argument("--seconds", type=number_from(1), default=faults.DELAY_SECONDS, help="how late (delay)")

    def add_target(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser.add_argument("target", help="an id (cs_, in_, pi_, ch_, cus_, re_, du_) or a customer's e-mail address")
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.STRIPE_SANDBOX:
            raise CommandError("This server uses Stripe itself; there is no sandbox.")
        try:
            self.stdout.write(getattr(self, options["verb"])(options))
        except StripeError as error:
            raise CommandError(error.message) from error
        except ProgrammingError as error:
            if not isinstance(error.__cause__, UndefinedTable):
                raise
            raise CommandError(NOT_PREPARED) from error

    def advance(self, options: dict[str, Any]) -> str:
        by = timedelta(days=options["days"])
        settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.delivery.post_by_shortest_way"
        if options["customer"]:
            customer = acting.find_target(options["customer"])
            played = moving.advance_customer(customer["id"], by=by, after_step=self.do_the_work)
            return f"{_count(played, 'thing')} happened to {customer['id']}"
        played = moving.advance(by=by, after_step=self.do_the_work)
        return f"{_count(played, 'thing')} happened; it is now {clock.now():%Y-%m-%d %H:%M} UTC"

    def year(self, options: dict[str, Any]) -> str:
        """Play it all as one transaction, then look at the books as anybody would."""
        if not store.rows("price").exists():
            raise CommandError(NOT_PREPARED)
        logging.disable(logging.INFO)  # their requests log two lines each, which would stand between the tables
        try:
            emails, wrong = year.play(now=clock.now(), say=self.stdout.write, is_short=options["summary"])
        except year.WebhooksDisturbed as error:
            raise CommandError(str(error)) from error
        finally:
            logging.disable(logging.NOTSET)
        self.stdout.write("")
        checks = [("verify_ledger", []), *(("reconcile_stripe", ["--user", email]) for email in emails)]
        for name, arguments in checks:
            self.stdout.write(" ".join([name, *arguments]) + ": ", ending="")
            try:
                call_command(name, *arguments, stdout=self.stdout, stderr=self.stderr)
            except SystemExit:
                wrong.append(f"{name} found differences")
        if wrong:
            raise CommandError("\n".join(["The year is not as expected:", *wrong]))
        return "Everything is as expected."

    def pay(self, options: dict[str, Any]) -> str:
        return str(acting.pay(options["target"], now=clock.now()))

    def decline(self, options: dict[str, Any]) -> str:
        return str(acting.decline(options["target"], now=clock.now()))

    def refund(self, options: dict[str, Any]) -> str:
        amount, fails = options["amount"], options["fail"]
        return str(acting.refund(options["target"], amount_cents=amount, fails=fails, now=clock.now()))

    def dispute(self, options: dict[str, Any]) -> str:
        amount, step = options["amount"], options["step"]
        return str(acting.dispute(options["target"], amount_cents=amount, step=step, now=clock.now()))

    def webhooks(self, options: dict[str, Any]) -> str:
        action = options["action"]
        if action == "clear":
            return f"{_count(faults.clear_faults(), 'fault')} ended"
        if action != "list":
            faults.add_fault(action, event_type=options["type"], remaining=options["count"], seconds=options["seconds"])
        return "\n".join(str(fault) for fault in faults.list_faults()) or "Webhooks go right"

    def do_the_work(self, moment: datetime) -> None:
        """Deliver what waits and do the app's work as of this moment: the queue's jobs and what it does by the hour."""
        self.run_queue()
        for periodic in app.periodic_registry.periodic_tasks.values():
            if periodic.task.name not in NOT_RUN and not inspect.iscoroutinefunction(periodic.task.func):
                periodic.task.func(timestamp=int(moment.timestamp()))
        self.run_queue()

    def run_queue(self) -> None:
        """Run the queue's due jobs in this process until none is left."""
        if app.job_manager.list_jobs(status="todo"):
            connector = app.connector
            context: Any = contextlib.nullcontext()
            if isinstance(connector, DjangoConnector):
                context = app.replace_connector(connector.get_worker_connector())
            with context:
                asyncio.run(self.run_worker())

    async def run_worker(self) -> None:
        async with app.open_async():
            await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)


def days(text: str) -> float:
    """Read an argument that is a number of days, whole or not."""
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not abs(number) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"give a number of days, such as 30 or 0.5, up to {MOST_DAYS}")
    return number


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
