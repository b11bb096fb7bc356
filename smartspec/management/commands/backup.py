import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from smartspec import backups, clock
from smartspec.commands import progress_on
from smartspec.errors import DomainError


class Command(BaseCommand):
    help = (
        "Write a consistent copy of the whole database to one file, while everybody goes on working. Keep it somewhere"
        " else than the database, and as safe: it holds everything that the database does. Files in the bucket are not"
        " in it. Exit 1, and no file, when it fails."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, help="default: backups/smartspec-<time>.dump in the data dir")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        default = Path(settings.DATA_DIR) / "backups" / f"smartspec-{now:%Y%m%dT%H%M%SZ}.dump"
        path: Path = options["path"] or default
        started = time.monotonic()
        show = progress_on(self.stderr)
        try:
            size_bytes = backups.back_up(path=path, now=now, on_progress=show)
        except DomainError as error:
            raise CommandError(error.detail) from error
        show("")
        seconds = time.monotonic() - started
        self.stdout.write(f"{path}: {size_bytes / 1e6:,.1f} MB in {seconds:.1f} s")
