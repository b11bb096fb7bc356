"""Links that open the account pages."""

from datetime import datetime, timedelta

from smartspec.errors import DomainError
from smartspec.users import keys
from smartspec.users.models import User, WebSessionLink

WEB_SESSION_LINK_SECONDS = 60
WEB_SESSION_TOKEN_CHARACTERS = 43


class LinkUsedUp(DomainError):
    code = "link_used_up"
    status = 410
    title = "This link has been used or is too old"


def create_web_session_link(*, user: User, next_path: str, now: datetime) -> str:
    """This will make a link for the user's browser and return its token, good once and for 60 seconds."""
    token = keys.random_text(WEB_SESSION_TOKEN_CHARACTERS)
    expires_at = now + timedelta(seconds=WEB_SESSION_LINK_SECONDS)
    WebSessionLink.objects.create(digest=keys.digest(token), user=user, next_path=next_path, expires_at=expires_at)
    return token


def read_web_session_link(*, token: str, now: datetime) -> User:
    """Return who asked for a link that has not been used.

    :raises LinkUsedUp: see `use_web_session_link`.
    """
    link = WebSessionLink.objects.select_related("user").filter(digest=keys.digest(token)).first()
    if link is None or link.expires_at <= now or not link.user.is_active:
        raise LinkUsedUp("This link has been used or is too old. Open the account pages from the app again.")
    return link.user


def use_web_session_link(*, token: str, now: datetime) -> WebSessionLink:
    """This will spend a link and return whose it was and where it leads.

    :raises LinkUsedUp: it was used before, is older than 60 seconds, never was, or its user was deactivated.
    """
    link = WebSessionLink.objects.select_related("user").filter(digest=keys.digest(token)).first()
    # Whoever deletes the row has the link: of two clicks at once, one.
    if link is None or not WebSessionLink.objects.filter(pk=link.pk).delete()[0]:
        raise LinkUsedUp("This link has been used or is too old. Open the account pages from the app again.")
    if link.expires_at <= now or not link.user.is_active:
        raise LinkUsedUp("This link is too old. Open the account pages from the app again.")
    return link
