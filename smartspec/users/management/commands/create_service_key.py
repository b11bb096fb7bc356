"""manage.py create_service_key --name worker-1 --scopes credits:spend media:write [--expires 2027-01-31]"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from smartspec import clock
from smartspec.commands import moment
from smartspec.users import keys, services
from smartspec.users.models import one_line


class Command(BaseCommand):
    help = "Make an API key for a service, such as a generation worker. The key is printed once; only its hash is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="who holds it, such as worker-1")
        parser.add_argument(
            "--scopes", required=True, nargs="+", help=f"what it may do: {', '.join(keys.SERVICE_SCOPES)}"
        )
        parser.add_argument(
            "--expires", type=moment, help="a day (its start) or a moment in ISO 8601, UTC unless it says otherwise"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [scope for text in options["scopes"] for scope in text.split(",") if scope]
        unknown = sorted(set(scopes) - set(keys.SERVICE_SCOPES))
        if unknown or not scopes:
            raise CommandError(
                f"Unknown scope {', '.join(unknown)}. There are {', '.join(keys.SERVICE_SCOPES)}.", returncode=2
            )
        now = clock.now()
        if options["expires"] is not None and options["expires"] <= now:
            raise CommandError("--expires lies in the past.", returncode=2)
        name = options["name"].strip()
        try:
            one_line(name)
        except ValidationError as error:
            raise CommandError(f"--name: {error.message}", returncode=2) from error
        if not 1 <= len(name) <= 100:
            raise CommandError("--name must have 1 to 100 characters.", returncode=2)
        issued = services.create_service_key(name=name, scopes=scopes, now=now, expires_at=options["expires"])
        # The key alone on standard output, so that a script can keep it.
        self.stdout.write(issued.secret)
        self.stderr.write(
            f"Key {issued.key.prefix} for {issued.key.name} may {', '.join(issued.key.scopes)}. "
            "Keep it now: it is not shown again. Send it as Authorization: Api-Key <key>."
        )
