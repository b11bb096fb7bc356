"""allauth's errors in the form of all others: its own members stay, those of RFC 9457 are added."""

import json
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from rest_framework import exceptions

from smartspec.api import PROBLEM_TYPE, BodyTooLarge, problem, problem_response
from smartspec.exact_json import read_json
from smartspec.logs import get_logger
from smartspec.mail import MailNotTaken
from smartspec.operations import bad_request
from smartspec.users.authentication import CHALLENGE

log = get_logger(__name__)

PREFIX = "/api/auth/app/"
# allauth does not say when its windows end; after these times they have. Five wrong passwords wait for five minutes.
RETRY_AFTER_SECONDS = 60
RETRY_LOGIN_AFTER_SECONDS = 300
METHODS = ("get", "post", "put", "patch", "delete", "options")
SENTENCES = {
    HTTPStatus.BAD_REQUEST: ("invalid", "The request could not be understood."),
    HTTPStatus.UNAUTHORIZED: ("not_authenticated", "Please log in."),
    HTTPStatus.FORBIDDEN: ("permission_denied", "This is not allowed."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is no such address."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This method is not allowed here."),
    HTTPStatus.CONFLICT: ("conflict", "This cannot be done now: it was not begun, has run out, or is done already."),
    HTTPStatus.GONE: ("session_ended", "Your session has ended. Please log in again."),
    HTTPStatus.TOO_MANY_REQUESTS: ("throttled", "Too many attempts. Please wait a minute and try again."),
}
# What allauth and fido2 stumble over where a browser would have sent a passkey.
MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    struct.error,
    DataError,
)
TOO_MANY_LOGINS = "too_many_login_attempts"


class HeadlessProblemMiddleware:
    """Completes the errors of /api/auth/app/…, which allauth writes and DRF never sees.

    A body keeps `status`, `data` (the flows that are open), `meta` and `errors` with `param` and `message`, so that
    clients made for allauth work unchanged.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """allauth checks the body before the method; a wrong method is said first, as everywhere."""
        view_class = getattr(view, "view_class", None)
        if not request.path.startswith(PREFIX) or view_class is None:
            return None
        if hasattr(view_class, (request.method or "").lower()):
            return refuse_body(request)
        return HttpResponseNotAllowed(name.upper() for name in METHODS if hasattr(view_class, name))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What allauth does not expect is no failure of ours: a passkey that is none, and no mail server."""
        if "/webauthn" in request.path and request.method != "GET" and isinstance(exception, MALFORMED):
            log.warning("Refused a malformed passkey", error=repr(exception))
            return bad_request(request, exception)
        if not request.path.startswith(PREFIX):
            return None
        if isinstance(exception, RecursionError):
            return bad_request(request, exception)
        if isinstance(exception, MailNotTaken):
            return problem_response(
                503, "unavailable", "No mail can be sent just now. Please try again in a few minutes."
            )
        return None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(PREFIX) and response.status_code >= HTTPStatus.BAD_REQUEST:
            complete(response, is_guess=request.path.endswith("/password/change"))
        return response


def refuse_body(request: HttpRequest) -> HttpResponse | None:
    """Refuse a body that no other endpoint would take: allauth reads any size, type and number, and half letters."""
    refusal: exceptions.APIException
    try:
        if request.body and request.content_type != "application/json":
            raise exceptions.UnsupportedMediaType(request.content_type or "")
        if request.body:
            read_json(request.body)
    except RequestDataTooBig:
        refusal = BodyTooLarge()
    except exceptions.APIException as error:
        refusal = error
    else:
        return None
    return problem_response(refusal.status_code, str(refusal.get_codes()), str(refusal.detail))


def complete(response: HttpResponse, *, is_guess: bool) -> None:
    """Make an answer of allauth's a problem: body, content type, and the header that its status calls for.

    :param is_guess: it answers to whoever had to know a password.
    """
    if response.headers.get("Content-Type") == PROBLEM_TYPE or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    body = json.loads(response.content) if response.content.startswith(b"{") else {}
    errors = [complete_error(error) for error in body.get("errors", [])]
    has_too_many_logins = any(error["code"] == TOO_MANY_LOGINS for error in errors)
    if has_too_many_logins:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    code, detail = SENTENCES.get(HTTPStatus(response.status_code), ("refused", "This was refused."))
    if errors:
        detail = f"{errors[0]['attr']}: {errors[0]['detail']}" if errors[0]["attr"] else errors[0]["detail"]
    if "is_authenticated" in body.get("meta", {}):
        body["meta"]["is_authenticated"] = bool(body["meta"]["is_authenticated"])  # null where a session has ended
    body |= problem(response.status_code, code, detail)
    if errors:
        body["errors"] = errors
    response.content = json.dumps(body).encode()
    response["Content-Type"] = PROBLEM_TYPE
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = CHALLENGE
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        is_guess = is_guess or has_too_many_logins
        response["Retry-After"] = str(RETRY_LOGIN_AFTER_SECONDS if is_guess else RETRY_AFTER_SECONDS)


def complete_error(error: dict[str, Any]) -> dict[str, Any]:
    """Return one of allauth's errors with our names beside its own."""
    return error | {"code": error.get("code", "invalid"), "detail": error["message"], "attr": error.get("param")}
