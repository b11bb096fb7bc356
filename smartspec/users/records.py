"""What the log tells of people's doors: who came in or was refused, and what of their log-in was changed.

The lines have the caller's address and the request's id, as all have. By the counter operators see an attack.
"""

from collections.abc import Callable
from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth import signals as auth
from prometheus_client import Counter

from smartspec.logs import get_logger
from smartspec.users.models import User

log = get_logger(__name__)

LOG_INS = Counter("smartspec_log_ins", "Log-ins by how they ended.", ("outcome",))
for name in ("in", "refused", "second_factor_refused", "throttled"):
    LOG_INS.labels(name)  # at nothing, before the first: an alert compares with that
EVENTS = (
    (auth.user_logged_in, "Logged in", "in"),
    (auth.user_login_failed, "Log-in refused", "refused"),
    (mfa.authentication_failed, "Second factor refused", "second_factor_refused"),
    (auth.user_logged_out, "Logged out", ""),
    (account.user_signed_up, "Signed up", ""),
    (account.email_confirmed, "Address confirmed", ""),
    (account.email_changed, "Address changed", ""),
    (account.password_changed, "Password changed", ""),
    (account.password_reset, "Password reset", ""),
    (account.password_reset_code_rejected, "Code for another password refused", ""),
    (mfa.authenticator_added, "Second factor added", ""),
    (mfa.authenticator_removed, "Second factor removed", ""),
    (mfa.authenticator_reset, "Second factor made anew", ""),
)


def connect() -> None:
    """Write down from now on what Django and allauth tell."""
    for signal, event, outcome in EVENTS:
        signal.connect(writer(event, outcome), weak=False, dispatch_uid=f"users.records: {event}")


def writer(event: str, outcome: str) -> Callable[..., None]:
    """Return what writes one event down."""

    def write(user: User | None = None, credentials: Any = None, email_address: Any = None, **rest: Any) -> None:
        if credentials is not None:
            user = User.objects.filter(email=str(credentials.get("email")).lower()).first()
        elif email_address is not None:
            user = email_address.user
        say = log.warning if "refused" in event else log.info
        say(event, user_id=str(user.pk) if user is not None else None)
        if outcome:
            LOG_INS.labels(outcome).inc()

    return write


def write_throttled() -> None:
    """Write down that somebody guessed too often to be looked at."""
    log.warning("Log-in throttled")
    LOG_INS.labels("throttled").inc()
