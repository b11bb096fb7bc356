#!/usr/bin/env python
"""The operator's door: every command of the product is `manage.py <command> --help`."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartspec.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        # Imported here so that a wrong environment is one sentence, not a traceback.
        import smartspec.settings  # noqa: F401
    except ImproperlyConfigured as error:
        sys.exit(f"Cannot start: {error}")
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) is not None:  # the database's own answer
            raise
        sys.stderr.write(f"The database cannot be reached: {error}\nmanage.py doctor says more.\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
