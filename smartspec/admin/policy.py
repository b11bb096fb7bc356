"""The admin's content security policy."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

ADMIN_PREFIX = "/admin/"


class PolicyMiddleware:
    """Answers the admin with its own content security policy: settings.ADMIN_CSP in place of the strict one's values.

    Unfold's Alpine evaluates expressions and sets styles. Everything else of the strict policy holds here as well.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(ADMIN_PREFIX):
            response._csp_replace = settings.ADMIN_CSP  # type: ignore[attr-defined] # django-csp reads it
        return response
