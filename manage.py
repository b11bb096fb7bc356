#!/usr/bin/env python
"""The operator's door: every command of the product is `manage.py <command> --help`."""

import os
import sys

CALLED_WRONGLY = 2  # nothing was done or found; for some commands 1 is a finding
INTERRUPTED = 130  # as shells answer after Ctrl-C
NOT_MIGRATED = ("42P01", "42703", "42883")  # there is no such table, column or function


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartspec.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        " ".join(sys.argv).encode()
    except UnicodeEncodeError:
        stop("What was typed is not UTF-8 text.")
    try:
        # Imported here so that a wrong environment is one sentence, not a traceback.
        import smartspec.settings  # noqa: F401
    except ImproperlyConfigured as error:
        stop(f"Cannot start: {error}")
    from django.db import DatabaseError, OperationalError

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except DatabaseError as error:
        answer = getattr(error.__cause__, "sqlstate", None)  # the database's own
        if isinstance(error, OperationalError) and answer is None:
            stop(f"The database cannot be reached: {error}\nmanage.py doctor says more.")
        if answer in NOT_MIGRATED and sys.argv[1:2] != ["migrate"]:
            stop(f"The database is not of this version: {str(error).splitlines()[0]}.\nmanage.py migrate first.")
        raise


def stop(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(CALLED_WRONGLY)


if __name__ == "__main__":
    main()
