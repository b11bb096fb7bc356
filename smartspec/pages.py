"""What the account pages of all apps share."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from smartspec import clock
from smartspec.users.models import User
from smartspec.users.throttling import Rate, count_call

Rest = ParamSpec("Rest")
PageView = Callable[Concatenate[HttpRequest, Rest], HttpResponse]


def signed_in(request: HttpRequest) -> User:
    """Return whose page this is; `login_required` has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


def button_of(page: str) -> Callable[[PageView[Rest]], PageView[Rest]]:
    """`@button_of("account-plans")`: a view that only does something, at a signed-in person's click.

    Whoever comes in another way is led to the page that has the button: above all whoever had to sign in again after
    the click. Nothing is done for them then.
    """

    def decorate(view: PageView[Rest]) -> PageView[Rest]:
        @wraps(view)
        @require_http_methods(["GET", "HEAD", "POST"])
        def led(request: HttpRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(reverse(page))
            return view(request, *args, **kwargs) if request.method == "POST" else redirect(page)

        return led

    return decorate


def limited(
    kind: str, *, methods: tuple[str, ...] = ("GET", "HEAD", "POST")
) -> Callable[[PageView[Rest]], PageView[Rest]]:
    """`@limited("stripe")`: a view that each person may call so often as THROTTLE_RATES says. Beyond it: 429."""

    def decorate(view: PageView[Rest]) -> PageView[Rest]:
        @wraps(view)
        def counted(request: HttpRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
            rate, now = Rate.parse(settings.THROTTLE_RATES[kind]), clock.now()
            key = f"user:{request.user.pk}:{view.__name__}"
            if request.method not in methods or count_call(key=key, rate=rate, now=now):
                return view(request, *args, **kwargs)
            headers = {"Retry-After": str(rate.seconds_left(now))}
            return HttpResponse(render_to_string("429.html", request=request), status=429, headers=headers)

        return counted

    return decorate


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
