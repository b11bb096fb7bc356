"""What every body is, whatever it says of itself: UTF-8."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class Utf8Middleware:
    """Reads forms as UTF-8. Django would believe the charset that a form names: utf-7 knows halves of letters, which no
    password can be made of.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.encoding is not None:
            request.encoding = "utf-8"
        return self.get_response(request)
