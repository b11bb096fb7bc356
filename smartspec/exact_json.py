"""JSON whose numbers are exact. Apart from `api.py`, because rest_framework.views imports it, by its settings."""

import math
import re
from decimal import Decimal
from typing import Any

import simplejson
from django.http import Http404
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request


class ExactJSONRenderer(JSONRenderer):
    """JSON in which a Decimal is a number with all of its digits."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        encoder = self.encoder_class()
        text = simplejson.dumps(data, use_decimal=True, ensure_ascii=False, allow_nan=False, default=encoder.default)
        # JSON inside a script element: the two line separators are not allowed there.
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


class ExactJSONParser(JSONParser):
    """JSON in which a number with a fraction is a Decimal."""

    renderer_class = ExactJSONRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_json(stream.read())


MAYBE_HALF_A_LETTER = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(body: bytes) -> Any:
    """Return what a body says.

    :raises exceptions.ParseError: it is no JSON, or holds what not everybody can read: NaN, an infinity, a number that
        no float reaches, half of a letter (a surrogate without its other).
    """
    try:
        text = body.decode()
        found = simplejson.loads(text, parse_float=exact_number, parse_constant=exact_number)
        if MAYBE_HALF_A_LETTER.search(text):
            ExactJSONRenderer().render(found)  # halves of which none is alone become UTF-8
    except (ValueError, ArithmeticError, RecursionError) as error:  # 1e99999999999999999999 is none of Python's
        raise exceptions.ParseError("The body is not valid JSON.") from error
    return found


def exact_number(text: str) -> Decimal:
    """Return a number as it was written.

    :raises ValueError: it is none, or as a float it would be none.
    """
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no JSON number")
    return Decimal(text)


class ForgivingNegotiation(DefaultContentNegotiation):
    """Whoever accepts nothing that there is gets the usual answer, as RFC 9110 allows; the contract knows no 406."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (exceptions.NotAcceptable, Http404):
            return renderers[0], renderers[0].media_type
