"""How staff come in: with a second factor, outside of one's own machine, and for 12 hours at most."""

import time
from collections.abc import Callable

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from smartspec.logs import get_logger
from smartspec.users import encryption
from smartspec.users.models import User

log = get_logger(__name__)

ADMIN_PREFIX = "/admin/"
SINCE = "staff_since"
SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class StaffLoginMiddleware:
    """Ends a staff session after settings.STAFF_SESSION_SECONDS, and lets nobody to the back-office without the second
    factor that settings.STAFF_TWO_FACTOR asks for: who has none makes one, who has not shown it shows it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not isinstance(request.user, User) or not request.user.is_staff or not request.session.session_key:
            return self.get_response(request)
        # Sessions live by the real time: whoever moves the clock of a demonstration stays logged in.
        since = request.session.setdefault(SINCE, int(time.time()))
        if time.time() - since >= settings.STAFF_SESSION_SECONDS:
            log.info("Staff session ended", actor_id=str(request.user.pk))
            logout(request)
            return redirect_to_login(request.get_full_path())
        if settings.STAFF_TWO_FACTOR and request.path_info.startswith(ADMIN_PREFIX):
            missing = find_missing_step(request, request.user)
            if missing:
                return HttpResponseRedirect(missing)
        return self.get_response(request)


def find_missing_step(request: HttpRequest, user: User) -> str:
    """Return the address of the step that is missing before the back-office opens; empty when none is."""
    factors = set(Authenticator.objects.filter(user=user, type__in=SECOND_FACTORS).values_list("type", flat=True))
    if not factors:
        return reverse("mfa_activate_totp")
    if any(record.get("method") == "mfa" for record in get_authentication_records(request, user)):
        return ""
    step = "mfa_reauthenticate" if Authenticator.Type.TOTP in factors else "mfa_reauthenticate_webauthn"
    return f"{reverse(step)}?next={request.path_info}"


def take_code_once(totp: TOTP, code: str) -> bool:
    """Tell whether a right code serves for the first time; if not, tell the log and whose it is.

    In the place of allauth's own, which remembers a code for one period only, and takes it for as many as the tolerance
    adds.
    """
    seconds = app_settings.TOTP_PERIOD * (1 + 2 * app_settings.TOTP_TOLERANCE)
    is_new: bool = cache.add(totp._get_used_cache_key(code), "y", timeout=seconds)
    if not is_new:
        log.warning("Second factor used again", user_id=str(totp.instance.user_id))
        get_adapter().send_notification_mail("mfa/email/code_used_again", totp.instance.user)
    return is_new


class MFAAdapter(DefaultMFAAdapter):
    """Keeps the secrets of second factors encrypted: a copy of the database lets nobody in."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; what no key of ours reads becomes one that nobody knows, so that no code fits it."""
        try:
            return encryption.decrypt(encrypted_text)
        except encryption.Unreadable:
            log.error("A second factor cannot be read", hint="manage.py reencrypt_second_factors names all of them")
            return str(generate_totp_secret())
