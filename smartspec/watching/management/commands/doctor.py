import json
import sys
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from smartspec import clock
from smartspec.watching import selectors, services
from smartspec.watching.models import Proof
from smartspec.watching.words import Condition


class Command(BaseCommand):
    help = (
        "Say on one screen what is wrong and what to type: database, queue, worker, webhooks, books, disk."
        " Exit 1 while anything is wrong. With --mail the operators are told as well, once per cause: for a timer of"
        " the machine, which goes on when worker and database do not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a screen")
        parser.add_argument("--mail", action="store_true", help="mail SMARTSPEC_OPERATOR_EMAILS about what is new")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        try:
            connection.ensure_connection()
        except DatabaseError as error:
            conditions = [selectors.broken_database(error, "cannot be reached")]
        else:
            is_empty = Proof._meta.db_table not in connection.introspection.table_names()
            conditions = [selectors.look_at("migrations", now=now)] if is_empty else selectors.look(now=now)
        self.show(conditions, as_json=options["json"])
        if options["mail"]:
            self.mail(conditions, now)
        if not all(condition.holds for condition in conditions):
            sys.exit(1)

    def mail(self, conditions: list[Condition], now: datetime) -> None:
        try:
            services.tell(conditions=conditions, now=now)
        except OSError as error:
            raise CommandError(f"Operators could not be told: {error}") from error

    def show(self, conditions: list[Condition], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"conditions": [vars(condition) for condition in conditions]}))
            return
        width = max(len(condition.name) for condition in conditions)
        for condition in conditions:
            mark = self.style.SUCCESS("ok   ") if condition.holds else self.style.ERROR("WRONG")
            self.stdout.write(f"{mark}  {condition.name:<{width}}  {condition.detail}")
            if not condition.holds and condition.remedy:
                self.stdout.write(f"       {'':<{width}}  → {condition.remedy}")
        wrong = sum(not condition.holds for condition in conditions)
        self.stdout.write("Everything holds." if not wrong else f"{wrong} of {len(conditions)} do not hold.")
