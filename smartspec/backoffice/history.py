"""A person's timeline: the lines of many sources, merged, newest first, page by page.

A page begins at a moment. Where several lines have that moment, the position also says how many of them were shown,
so that no line is lost or shown twice between two pages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from smartspec import clock
from smartspec.admin import plain_credits
from smartspec.backoffice import places
from smartspec.backoffice.words import Line
from smartspec.users.models import User

LINES_PER_PAGE = 25
MOST_SKIPPED = 1000


def read_moment(text: str) -> datetime | None:
    """Return a moment written as people or browsers write it, in UTC where it names no zone; None for anything else."""
    try:
        return clock.read_moment(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Position:
    """Where a page begins: at a moment, after so many lines of it."""

    until: datetime
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.until.isoformat()}~{self.skipped}"

    @classmethod
    def parse(cls, text: str, now: datetime) -> "Position":
        """Return the position that an address names; now, for none or nonsense."""
        moment, _, skipped = text.partition("~")
        until = read_moment(moment)
        count = int(skipped or 0) if re.fullmatch(r"\d{0,4}", skipped, re.ASCII) else MOST_SKIPPED + 1
        if until is None or count > MOST_SKIPPED:
            return cls(now)
        return cls(until, count)


@dataclass(frozen=True)
class Event:
    """A line, and which source it is of."""

    kind: str
    line: Line

    @property
    def credits_text(self) -> str:
        return "" if self.line.credits is None else plain_credits(self.line.credits, is_signed=True)


@dataclass(frozen=True)
class History:
    """One page; `next` is where the older one begins, None at the end."""

    events: list[Event]
    next: Position | None


def read_timeline(
    *, user: User, viewer: User, kinds: Sequence[str], position: Position, limit: int = LINES_PER_PAGE
) -> History:
    """Return a page of what happened to a person, of some kinds, as far as the viewer may see it."""
    wanted = position.skipped + limit + 1
    events = [
        Event(filled.name, line)
        for filled in places.timeline.seen_by(viewer)
        if filled.name in kinds
        for line in filled.call(user, position.until, wanted)
    ]
    events.sort(key=lambda event: event.line.at, reverse=True)  # stable: sources keep their order within a moment
    page = events[position.skipped :][:limit]
    if len(events) <= position.skipped + limit:
        return History(page, None)
    last = page[-1].line.at
    shown = sum(event.line.at == last for event in events[: position.skipped + limit])
    return History(page, Position(last, shown))
