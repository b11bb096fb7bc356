"""What the endpoints of credits share: reading a query or a body, and who may settle."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from credits import selectors
from smartspec import clock
from smartspec.api import HasScope
from smartspec.errors import DomainError
from smartspec.users.models import User
from smartspec.users.permissions import MissingScope

SPEND_SCOPE = "credits:spend"


class SpendsCredits(HasScope(SPEND_SCOPE)):  # type: ignore[misc]
    """A service key with `credits:spend`. A person lacks that scope by any credentials."""

    code = MissingScope.code
    message = f"Only service keys with the scope {SPEND_SCOPE} hold and settle credits."


class CreditsView(APIView):
    """An endpoint of credits. A method that it does not have is 405 to everybody, whatever they may do."""

    permissions_by_method: ClassVar[dict[str, type[BasePermission]]] = {}

    def check_permissions(self, request: Request) -> None:
        if request.method is None or not hasattr(self, request.method.lower()):
            raise exceptions.MethodNotAllowed(str(request.method))
        super().check_permissions(request)

    def get_permissions(self) -> list[Any]:
        own = self.permissions_by_method.get(str(self.request.method))
        return [own()] if own is not None else list(super().get_permissions())


def read_query(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the validated query. A parameter that is given without a value is as good as left out."""
    return validated(kind(data={name: value for name, value in request.query_params.items() if value != ""}))


def read_body(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the validated body; a field that is null is as good as left out."""
    return validated(kind(data=request.data))


def validated(question: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return what a serializer was given, or refuse it with one error for every bad field.

    :raises rest_framework.exceptions.ValidationError: it is malformed.
    """
    question.is_valid(raise_exception=True)
    return {name: value for name, value in question.validated_data.items() if value is not None}


def caller_id(request: Request) -> UUID:
    """Return the account of the person who calls; the permissions have let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type; the permissions decide
    return request.user.id


def field_error(refusal: DomainError) -> exceptions.ValidationError:
    """Return what the price list refuses as the error of the field that it is about."""
    attr = refusal.context.get("attr", "operation")
    return exceptions.ValidationError({attr: exceptions.ErrorDetail(refusal.detail, refusal.code)})


def replayed(response: Response, is_replay: bool) -> Response:
    """Mark an answer that was given before."""
    if is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def covered_period(account_id: UUID, query: dict[str, datetime]) -> dict[str, datetime]:
    """Return the period that a query covers: where it leaves one end open, since the account began, or until now."""
    now = clock.now()
    account = selectors.find_open_account(account_id=account_id)
    ends = query.get("date_to") or max(now, query.get("date_from", now))
    begins = query.get("date_from") or min(ends, now if account is None else account.opened_at)
    return {"period_start": begins, "period_end": ends}
