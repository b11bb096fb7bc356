"""Who may do what: people by session, programs by the scopes of their key."""

from typing import TYPE_CHECKING, ClassVar

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from smartspec.errors import DomainError
from smartspec.users import keys
from smartspec.users.models import ApiKey, User

if TYPE_CHECKING:  # rest_framework.views itself imports this module, by its settings
    from rest_framework.views import APIView


class MissingScope(DomainError):
    code = "missing_scope"
    status = 403
    title = "Missing scope"


class IsUser(BasePermission):
    """A person, about their own things: their session, or their own key.

    A key needs scope `read`, and only reads, unless the view's `key_scope` names the scope with which it may do more
    (`read` for a POST that changes nothing, `media:write` for an upload). Services are refused: they are nobody.
    """

    message = "This is for people. Use a user's session or their own API key."
    code = "not_a_user"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.user, User):
            return False
        key = request.auth
        if not isinstance(key, ApiKey):
            return True
        scope = keys.READ if request.method in SAFE_METHODS else getattr(view, "key_scope", None)
        if scope in key.scopes:
            return True
        self.code = MissingScope.code
        self.message = (
            f"This API key lacks the scope {scope}." if scope else "API keys cannot do this. Log in with the app."
        )
        return False


class IsUserSession(BasePermission):
    """A person who logged in: for what no key may do, such as making keys."""

    message = "This needs a person's session. Log in with the app."
    code = "not_a_user"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return isinstance(request.user, User) and not isinstance(request.auth, ApiKey)


class KeyScopePermission(BasePermission):
    """A key, a service's or a person's, that has the scope. Made by HasScope."""

    scope: ClassVar[str]
    message = "This needs a service key."
    code = "not_a_service"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return False
        if self.scope not in key.scopes:
            raise MissingScope(f"This API key lacks the scope {self.scope}.", required=self.scope)
        return True


def HasScope(scope: str) -> type[KeyScopePermission]:  # noqa: N802 - reads as the permission class that it returns
    """Return the permission class for keys with a scope: `permission_classes = [HasScope("credits:spend")]`.

    In an alternative it stands last, `[IsUser | HasScope("media:write")]`, because it says which scope is missing.
    """
    if scope not in keys.SERVICE_SCOPES:
        raise ValueError(f"There is no scope {scope}.")
    return type("HasScope", (KeyScopePermission,), {"scope": scope})
