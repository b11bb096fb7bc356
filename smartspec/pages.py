"""What the account pages of all apps share."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRefresh

from smartspec.users.models import User


def signed_in(request: HttpRequest) -> User:
    """Return whose page this is; `login_required` has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


class EndedSessionMiddleware:
    """Lets a page whose session has ended be loaded anew, when htmx asks for a part of it.

    The log-in page that answers instead must not be put where that part stood.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (
            request.headers.get("HX-Request")
            and isinstance(response, HttpResponseRedirect)
            and response.url.startswith(resolve_url(settings.LOGIN_URL))
        ):
            return HttpResponseClientRefresh()
        return response
