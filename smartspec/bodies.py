"""What every request is, whatever it says of itself: UTF-8."""

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class Utf8Request(WSGIRequest):
    """A request read as UTF-8. Django would believe the charset that it names, before any middleware: utf-7 knows
    halves of letters, which no password can be made of, and rot13 is no text's, so that nobody could answer at all.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class Utf8Handler(WSGIHandler):
    """Django's own, for such requests."""

    request_class = Utf8Request
