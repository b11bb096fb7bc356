"""JSON whose numbers are exact. Apart from `api.py`, because rest_framework.views imports it, by its settings."""

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
    """JSON in which a number with a fraction is a Decimal; NaN and infinities are refused."""

    renderer_class = ExactJSONRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is no JSON number")

        try:
            return simplejson.loads(stream.read().decode("utf-8"), use_decimal=True, parse_constant=refuse)
        except (ValueError, ArithmeticError, RecursionError) as error:  # 1e99999999999999999999 is none of Python's
            raise exceptions.ParseError("The body is not valid JSON.") from error


class ForgivingNegotiation(DefaultContentNegotiation):
    """Whoever accepts nothing that there is gets the usual answer, as RFC 9110 allows; the contract knows no 406."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (exceptions.NotAcceptable, Http404):
            return renderers[0], renderers[0].media_type
