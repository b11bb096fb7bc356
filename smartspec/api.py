"""What every endpoint shares: who is calling, exact numbers, strict fields, problem+json errors, idempotency keys."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import JsonResponse
from drf_spectacular.openapi import AutoSchema
from drf_standardized_errors.formatter import flatten_errors
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ExceptionHandlerContext
from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from smartspec import outages
from smartspec.errors import DomainError
from smartspec.exact_json import ExactJSONParser as ExactJSONParser
from smartspec.exact_json import ExactJSONRenderer as ExactJSONRenderer
from smartspec.logs import get_logger
from smartspec.users import keys
from smartspec.users.authentication import BearerSessionAuthentication as BearerSessionAuthentication
from smartspec.users.authentication import ServiceKeyAuthentication as ServiceKeyAuthentication
from smartspec.users.models import ApiKey, User
from smartspec.users.permissions import HasScope as HasScope
from smartspec.users.permissions import IsUser as IsUser
from smartspec.users.permissions import IsUserSession as IsUserSession
from smartspec.users.throttling import CallerThrottle as CallerThrottle

log = get_logger(__name__)

IDEMPOTENCY_KEY_MAX_LENGTH = 255
PROBLEM_TYPE = "application/problem+json"


# --- Fields -------------------------------------------------------------------------------------------------------


class CreditsField(serializers.DecimalField):
    """Credits: a JSON number, exact to 6 decimals, without trailing zeros. Strings and booleans are refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"max_digits": 20, "decimal_places": 6, "coerce_to_string": False} | options))

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Decimal:  # type: ignore[override]
        number = Decimal(value).normalize()
        return number.quantize(Decimal(1)) if number == number.to_integral_value() else number


class StrictIntegerField(serializers.IntegerField):
    """A whole JSON number: 12.5, "100" and true are refused instead of being converted."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictCharField(serializers.CharField):
    """A JSON string; numbers are refused instead of being converted."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip() if self.trim_whitespace else data


class StrictUUIDField(serializers.UUIDField):
    """A UUID as we write it: numbers, braces and `urn:uuid:` are refused."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        found: UUID = super().to_internal_value(data)
        if str(found) != data.lower():
            self.fail("invalid", value=data)
        return found


class UtcDateTimeField(serializers.DateTimeField):
    """A moment, ISO 8601 in UTC with `Z`; input without an offset is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"default_timezone": UTC} | options))

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        return super().enforce_timezone(value)


# --- Errors -------------------------------------------------------------------------------------------------------


class BodyTooLarge(exceptions.APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."


class DatabaseAway(exceptions.APIException):
    status_code = 503
    default_code = "unavailable"
    default_detail = outages.DETAIL
    wait = outages.RETRY_AFTER_SECONDS  # becomes Retry-After


class ProblemHandler(ExceptionHandler):
    """Turns every error into RFC 9457 `application/problem+json`."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, DomainError):
            refusal = exceptions.APIException(exc.detail, exc.code)
            refusal.status_code = exc.status
            return refusal
        if isinstance(exc, RequestDataTooBig):
            return BodyTooLarge()
        if outages.is_database_away(exc):
            return DatabaseAway()
        return super().convert_known_exceptions(exc)

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        # A refusal on purpose (502 stripe_unavailable) is no crash: nothing for an error monitor.
        if isinstance(exc, DatabaseAway):
            log.error("The database is unavailable", error=str(self.exc))  # one line, not a crash for each request
        elif not isinstance(self.exc, DomainError):
            super().report_exception(exc, response)

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        errors = flatten_errors(exc.detail)
        if isinstance(exc, exceptions.ValidationError):
            fields = [{"code": error.code, "detail": error.detail, "attr": error.attr} for error in errors]
            first = f"{errors[0].attr}: {errors[0].detail}" if errors[0].attr else errors[0].detail
            return problem(exc.status_code, "invalid", first, title="Invalid request", errors=fields)
        code, detail = errors[0].code, errors[0].detail
        if isinstance(exc, DatabaseAway):
            return problem(exc.status_code, code, detail)
        if isinstance(self.exc, DomainError):
            return problem(exc.status_code, code, detail, title=self.exc.title, **self.exc.context)
        if exc.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return problem(exc.status_code, "internal_error", "Something went wrong on our side. Please try again.")
        return problem(exc.status_code, code, detail)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        response = super().get_response(exc, data)
        response.content_type = PROBLEM_TYPE
        return response


def exception_handler(exc: Exception, context: ExceptionHandlerContext) -> Response | None:
    """Return the problem+json answer to an error of a view (REST_FRAMEWORK["EXCEPTION_HANDLER"])."""
    return ProblemHandler(exc, context).run()


def problem(status: int, code: str, detail: str, *, title: str | None = None, **context: Any) -> dict[str, Any]:
    """Return the body of an error: the fixed members of RFC 9457, our `code`, and the context's numbers."""
    return {
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **{key: plain_number(value) for key, value in context.items()},
    }


def problem_response(status: int, code: str, detail: str) -> JsonResponse:
    """Return the answer to an error outside of DRF."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=PROBLEM_TYPE)


def plain_number(value: Any) -> Any:
    """Return a Decimal as the API prints credits (no trailing zeros), anything else unchanged."""
    return CreditsField().to_representation(value) if isinstance(value, Decimal) else value


class FieldErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class ProblemSchema(AutoSchema):
    """OpenAPI: every operation may answer with a problem, and names the ways in by which it lets somebody in."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        callers: dict[str, Any] = {
            "session": SimpleNamespace(method=self.method, user=User(), auth=None),
            "key": SimpleNamespace(method=self.method, user=User(), auth=ApiKey(scopes=list(keys.SERVICE_SCOPES))),
        }
        permissions = self.view.get_permissions()
        shut = {
            name
            for name, caller in callers.items()
            if not all(permission.has_permission(caller, self.view) for permission in permissions)
        }
        return [way for way in super().get_auth() if shut.isdisjoint(way)]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        bodies["default"] = self._get_response_for_code(ProblemSerializer, "default", [PROBLEM_TYPE])
        return bodies


# --- Endpoints ----------------------------------------------------------------------------------------------------


class Endpoint(APIView):
    """An endpoint. A method that it does not have is 405 to everybody, whatever they may do."""

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
    return read_order(request.data, kind)


def read_order(order: Any, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return one order that a body consists of, or is, as `read_body` does.

    :raises rest_framework.exceptions.ValidationError: it is malformed.
    """
    given = {name: value for name, value in order.items() if value is not None} if isinstance(order, dict) else order
    found: dict[str, Any] = shared(kind).run_validation(given)
    return found


def shown(thing: Any, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return what an answer says of a thing."""
    return dict(shared(kind).to_representation(thing))


@cache
def shared(kind: type[serializers.Serializer[Any]]) -> Any:
    """Return the one serializer of a kind: making it costs more than its work.

    Only for kinds whose fields look at nothing but the value (no context, no instance): it keeps nothing between calls.
    """
    return kind()


def validated(question: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return what a serializer was given, or refuse it with one error for every bad field.

    :raises rest_framework.exceptions.ValidationError: it is malformed.
    """
    question.is_valid(raise_exception=True)
    return {name: value for name, value in question.validated_data.items() if value is not None}


def caller(request: Request) -> User:
    """Return the person who calls; the permissions have let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type; the permissions decide
    return request.user


def caller_id(request: Request) -> UUID:
    """Return the id of the person who calls."""
    return caller(request).id


# --- Idempotency --------------------------------------------------------------------------------------------------


class IdempotencyKeyRequired(DomainError):
    code = "idempotency_key_required"
    status = 400
    title = "Idempotency-Key required"


class IdempotencyKeyInvalid(DomainError):
    code = "idempotency_key_invalid"
    status = 400
    title = "Idempotency-Key invalid"


def idempotency_key(request: Request, *, required: bool = False) -> str | None:
    """Return the caller's `Idempotency-Key`, 1 to 255 characters, or None where it is optional and absent.

    :raises IdempotencyKeyRequired: it is required and absent.
    :raises IdempotencyKeyInvalid: it is empty or too long.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        if required:
            raise IdempotencyKeyRequired("Send an Idempotency-Key header, so that a retry cannot spend twice.")
        return None
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX_LENGTH or "\x00" in key:
        raise IdempotencyKeyInvalid(f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} characters.")
    return key


def replayed(response: Response, is_replay: bool) -> Response:
    """Mark an answer that was given before."""
    if is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
