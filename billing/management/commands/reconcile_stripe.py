"""manage.py reconcile_stripe: compare our books with Stripe's, and put right what differs."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import services
from smartspec import clock
from smartspec.commands import find_user_id, moment
from smartspec.errors import DomainError

LISTED_IN_JSON = 1000
PROGRESS_EVERY = 1000


class Command(BaseCommand):
    help = (
        "Compare our books with Stripe's, both ways. Exit 0: they agree. Exit 1: something differs, or still does."
        " Exit 2: they could not be compared, or not to the end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=moment, help="from this date or time on (default: the last clean run's end, less 3 days)"
        )
        parser.add_argument("--until", type=moment, help="up to this date or time (default: now)")
        parser.add_argument("--user", help="one user alone: the id or e-mail address")
        parser.add_argument("--repair", action="store_true", help="put right what differs")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        if options["since"] and options["since"] >= (options["until"] or now):
            raise CommandError("--since does not come before --until: there is nothing to compare.", returncode=2)
        listed: list[dict[str, Any]] = []
        counts: dict[str, int] = {}

        def hear(difference: services.Difference, is_repaired: bool) -> None:
            counts[difference.kind] = counts.get(difference.kind, 0) + 1
            if options["json"]:
                if len(listed) < LISTED_IN_JSON:
                    listed.append({**vars(difference), "repaired": is_repaired})
                return
            mark = "repaired" if is_repaired else "differs"
            user = difference.user_id or "nobody"
            self.stdout.write(f"{mark}: {difference.kind} {difference.object_id} of {user}: {difference.detail}")

        def show(progress: services.Progress) -> None:
            if progress.checked % PROGRESS_EVERY == 0 and not options["json"]:
                self.stderr.write(f"{progress.step}: {progress.checked} checked, {progress.remaining} differ")

        try:
            progress = services.reconcile(
                now=now,
                since=options["since"],
                until=options["until"],
                user_id=find_user_id(options["user"]) if options["user"] else None,
                is_repair=options["repair"],
                on_difference=hear,
                on_progress=show,
            )
        except DomainError as error:
            raise CommandError(error.detail, returncode=2) from error
        if options["json"]:
            totals = {"checked": progress.checked, "repaired": progress.repaired, "remaining": progress.remaining}
            self.stdout.write(json.dumps({**totals, "kinds": counts, "differences": listed}))
        else:
            self.stdout.write(
                f"{progress.checked} checked, {progress.repaired} repaired, {progress.remaining} differences remain."
            )
        if progress.remaining:
            sys.exit(1)
