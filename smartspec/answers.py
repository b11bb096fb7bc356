"""What every answer says of itself: that it is kept nowhere, and that JSON is no page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Stand-ins answer as what they stand for.
UNTOUCHED = "/sandbox/"


class AnswerMiddleware:
    """Lets neither browsers nor proxies keep what was answered, and no browser open the API's JSON as a page.

    Scripts are spared the name of a file: the reader of the API's document would offer each answer as a download.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(UNTOUCHED):
            return response
        response.headers.setdefault("Cache-Control", "no-store")
        is_json = response.headers.get("Content-Type", "").partition(";")[0].endswith("json")
        if is_json and request.path_info.startswith("/api/") and request.headers.get("Sec-Fetch-Dest") != "empty":
            response.headers.setdefault("Content-Disposition", 'attachment; filename="api.json"')
        return response
