"""The pages behind links (from the app: signs the browser in; from a mail: confirms an address), and the languages."""

from typing import Any

from allauth.account.internal.flows.email_verification import verify_email
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.usersessions.views import ListUserSessionsView
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic.edit import FormView
from django.views.i18n import set_language

from smartspec import clock
from smartspec.pages import button_of, signed_in
from smartspec.users import selectors, services
from smartspec.users.models import User

DEVICES = 100


@require_http_methods(["GET", "POST"])
@never_cache
def open_web_session(request: HttpRequest, token: str) -> HttpResponse:
    """Sign the browser in as whoever asked for the link, and lead on; a second use is refused.

    A browser in which somebody else is signed in asks first: another's link must not make them buy for its owner.
    """
    try:
        owner = services.read_web_session_link(token=token, now=clock.now())
        if request.method == "GET" and request.user.is_authenticated and request.user.pk != owner.pk:
            return render(request, "users/change_person.html", {"owner": owner})
        link = services.use_web_session_link(token=token, now=clock.now())
    except services.LinkUsedUp as error:
        return render(request, "users/link_used_up.html", status=error.status)
    if request.user.is_authenticated and request.user.pk != link.user.pk:
        logout(request)
    # allauth's own log-in, with all of its stages, so that whoever has a second factor is asked for it.
    return perform_login(request, Login(user=link.user, redirect_url=link.next_path))


class DevicesPage(ListUserSessionsView):
    """Where somebody is signed in; allauth's page, which also signs out everywhere else, with a list of our own."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        devices = selectors.list_devices(user=signed_in(self.request), now=clock.now(), limit=DEVICES)
        found: dict[str, Any] = FormView.get_context_data(self, **kwargs)
        return found | {"sessions": devices, "session_count": len(devices), "show_last_seen_at": True}


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language that a reader chose: for these pages in a cookie, for mail with the person."""
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and isinstance(request.user, User):
        services.set_language(user=request.user, language=language)
    return set_language(request)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def verify_address(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address once its owner presses the button: programs that look into mails follow links, too."""
    try:
        address = services.read_verification(token=token)
    except services.LinkUsedUp as error:
        return render(request, "users/link_used_up.html", {"is_verification": True}, status=error.status)
    is_done = request.method == "POST" and verify_email(request, address)
    return render(request, "users/verify_address.html", {"address": address, "is_done": is_done})


@button_of("account")
def end_viewing(request: HttpRequest) -> HttpResponse:
    """Stop reading the pages of the person whom one helps, and go back to their page in the back-office."""
    user = signed_in(request)
    view = services.find_view(user=user, now=clock.now())
    services.end_view(user=user)
    return HttpResponseRedirect(reverse("backoffice:person", args=[view.whom_id]) if view else reverse("account"))
