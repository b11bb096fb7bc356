"""What `manage.py` commands share: long help texts, whole numbers as arguments, a line that shows progress."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter, OutputWrapper


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


def progress_on(stream: OutputWrapper) -> Callable[[str], None]:
    """Return what shows a word in place of the one before, where somebody looks on; a log gets none."""

    def show(word: str) -> None:
        if stream.isatty():
            stream.write(f"\r\033[K{word}", ending="")

    return show
