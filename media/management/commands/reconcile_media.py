"""manage.py reconcile_media: compare the bucket with the table, and put right what differs."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from media import services
from smartspec import clock
from smartspec.errors import DomainError

LISTED_IN_JSON = 1000
PROGRESS_EVERY = 10_000


class Command(BaseCommand):
    help = (
        "Compare every file in the bucket with every asset, both ways (missing_object, orphan_object, wrong_size), and"
        " every account's counters with its assets (wrong_counters). Exit 1 while anything differs; with --repair,"
        " while it still does. Files whose keys this product does not make are counted and left alone. With a bucket"
        " that holds the file of no asset nothing is repaired: it is not the right one. It runs daily by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="end assets without a file, delete files without an asset, take over real sizes, count anew",
        )
        parser.add_argument(
            "--all-lost",
            action="store_true",
            help="with --repair: the bucket is empty, and still the right one; end every asset",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")

    def handle(self, *args: Any, **options: Any) -> None:
        listed: list[dict[str, Any]] = []
        counts: dict[str, int] = {}

        def hear(difference: services.Difference, is_repaired: bool) -> None:
            counts[difference.kind] = counts.get(difference.kind, 0) + 1
            if options["json"]:
                if len(listed) < LISTED_IN_JSON:
                    row = vars(difference) | {"user_id": difference.user_id and str(difference.user_id)}
                    listed.append({**row, "repaired": is_repaired})
                return
            mark = "repaired" if is_repaired else "differs"
            user = difference.user_id or "nobody"
            self.stdout.write(f"{mark}: {difference.kind} {difference.object_id} of {user}: {difference.detail}")

        def show(progress: services.Comparison) -> None:
            if progress.objects % PROGRESS_EVERY == 0 and progress.objects and not options["json"]:
                self.stderr.write(f"{progress.objects} files compared, {progress.remaining} differ")

        try:
            progress = services.reconcile_media(
                now=clock.now(),
                is_repair=options["repair"],
                is_all_lost=options["all_lost"],
                on_difference=hear,
                on_progress=show,
            )
        except DomainError as error:
            raise CommandError(error.detail) from error
        if options["json"]:
            self.stdout.write(json.dumps({**vars(progress), "kinds": counts, "differences": listed}))
        else:
            self.stdout.write(
                f"{progress.objects} files and {progress.assets} assets compared, {progress.foreign} files of others"
                f" left alone; {progress.repaired} repaired, {progress.remaining} differences remain."
            )
        if progress.remaining:
            sys.exit(1)
