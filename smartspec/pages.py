"""What the account pages of all apps share."""

from django.http import HttpRequest

from smartspec.users.models import User


def signed_in(request: HttpRequest) -> User:
    """Return whose page this is; `login_required` has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user
