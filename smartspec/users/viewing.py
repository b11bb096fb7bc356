"""Shows staff the account pages of the person whom they help, to read only."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from smartspec import clock
from smartspec.users import services
from smartspec.users.models import User

ACCOUNT = "/account"
END_PATH = "/account/viewing/end"
# What is the viewer's own: the link that signs in, their language, the way out.
OWN_PATHS = ("/account/open/", "/account/language", END_PATH)
# Nothing of these is looking: a file of somebody's whole history leaves the building, a preview asks Stripe for them.
REFUSED_PATHS = ("/account/transactions/export", "/account/plans/change")


class SupportViewMiddleware:
    """Stands after everything that notes who is signed in, so that logs and sessions are the viewer's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        is_account = path == ACCOUNT or path.startswith(f"{ACCOUNT}/")
        if not is_account or path.startswith(OWN_PATHS) or not isinstance(request.user, User):
            return self.get_response(request)
        view = services.find_view(user=request.user, now=clock.now())
        if view is None:
            return self.get_response(request)
        request.support_view = view  # type: ignore[attr-defined]
        request.user = view.whom
        if request.method not in ("GET", "HEAD") or path.startswith(REFUSED_PATHS):
            return render(request, "users/read_only.html", status=403)
        return self.get_response(request)
