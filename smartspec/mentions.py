"""Finding the texts that name somebody, and nobody whose address or id only looks alike."""

import re

from django.db.models import Q


def mentions(field: str, word: str) -> Q:
    """Return the condition that a text names an address or an id as a whole: `e@gmail.com` is not in `joe@gmail.com`,
    nor in `joe.e@gmail.com` or `e@gmail.com.au`. In JSON, a line break before it is written `\\n`."""
    return Q(**{f"{field}__iregex": as_a_whole(word)})


def without(text: str, word: str, instead: str) -> str:
    """Return a text with something else wherever it names a word as a whole; an empty word it names nowhere."""
    return re.sub(as_a_whole(word), lambda _: instead, text, flags=re.IGNORECASE) if word else text


def as_a_whole(word: str) -> str:
    return rf"((?<![\w.!#$%*+^~-])|(?<=\\[nrt])){re.escape(word)}(?![\w-]|\.\w)"
