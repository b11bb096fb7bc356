"""manage.py reencrypt_second_factors: the second step of rolling SMARTSPEC_SECRET_KEY."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from smartspec.users import services


class Command(BaseCommand):
    help = (
        "Encrypt the secrets of second factors under the present SMARTSPEC_SECRET_KEY, so that those in"
        " SMARTSPEC_SECRET_KEY_FALLBACKS can go. Safe to run again. Exit 1: some could be read by none of these keys;"
        " they are named, and are removed on the person's page of the back-office."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {True: 0, False: 0}
        for authenticator, is_read in services.reencrypt_second_factors():
            counts[is_read] += 1
            if not is_read:
                self.stdout.write(f"cannot be read: {authenticator.type} of {authenticator.user.email}")
        self.stdout.write(f"{counts[True]} second factors are encrypted under the present key.")
        if counts[False]:
            sys.exit(1)
