"""What `manage.py` commands share: long help texts, arguments (numbers, moments, people), a line of progress."""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    OutputWrapper,
)
from django.db.models import Q

from smartspec import clock
from smartspec.users.models import User

SIGNED_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?")


class ParagraphsKept(DjangoHelpFormatter):
    """Leaves the lines of the description as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text


class ExplainedCommand(BaseCommand):
    """A command whose `help` is more than one paragraph."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=ParagraphsKept, **kwargs)


def number_from(least: int) -> Callable[[str], int]:
    """Return what reads an argument that is a whole number, not less than `least`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ArgumentTypeError(f"{text} is not a whole number from {least}")
        return int(text)

    return read


def moment(text: str) -> datetime:
    """Read an argument that is a day (its start) or a moment, in UTC unless it says otherwise."""
    try:
        return clock.read_moment(text)
    except ValueError:
        raise ArgumentTypeError(
            "give a day such as 2027-01-31, or a moment such as 2027-01-31T12:00:00Z, from 2000 to 2999"
        ) from None


def day(text: str) -> date:
    """Read an argument that is a day."""
    try:
        if len(text) == len("2027-01-31"):
            return clock.read_moment(text).date()
    except ValueError:
        pass
    raise ArgumentTypeError("give a day such as 2027-01-31, from 2000 to 2999")


def signed_number(text: str) -> Decimal:
    """Read an argument that is a number of credits, to give or, below zero, to take."""
    if not SIGNED_NUMBER.fullmatch(text) or not Decimal(text):
        raise ArgumentTypeError("give a number such as 10 or -2.5, not 0, with at most 6 decimals")
    return Decimal(text)


def find_user_id(given: str) -> UUID:
    """Return the id of the user named by id or e-mail address.

    :raises CommandError: there is no such user.
    """
    try:
        named = Q(pk=UUID(given))
    except ValueError:
        named = Q(email__iexact=given)
    user = User.objects.filter(named).first()
    if user is None:
        raise CommandError(f"There is no user “{given}”.", returncode=2)
    return user.pk


def progress_on(stream: OutputWrapper) -> Callable[[str], None]:
    """Return what shows a word in place of the one before, where somebody looks on; a log gets none."""

    def show(word: str) -> None:
        if stream.isatty():
            stream.write(f"\r\033[K{word}", ending="")

    return show
