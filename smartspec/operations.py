"""What operators and machines ask of this server: is it alive, is it ready, what mail did it send."""

import email
import email.policy
import sys
import threading
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.module_loading import import_string
from django.views import defaults
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from smartspec import outages
from smartspec.api import problem_response
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.mail import MailNotTaken

log = get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
_looking = threading.Lock()
_seen: tuple[float, dict[str, str]] = (float("-inf"), {})


class DocumentView(SpectacularAPIView):
    """The API's document, made once in each process, in English: making it takes as long as a hundred balances."""

    _made: ClassVar[dict[str, bytes]] = {}

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        kind = request.accepted_renderer.media_type
        if kind not in self._made:
            with translation.override(settings.LANGUAGE_CODE):
                document = request.accepted_renderer.render(super().get(request).data, kind, {})
            self._made[kind] = document.encode() if isinstance(document, str) else document
        return HttpResponse(self._made[kind], content_type=kind)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process is alive."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Everything that a request needs is there: database, migrations, queue, storage. 503 names what is not.

    Anybody may ask, as often as they like: one thread looks, once a second, and what it saw answers all.
    """
    global _seen
    is_old = time.monotonic() - _seen[0] >= LOOK_EVERY_SECONDS
    if is_old and _looking.acquire(blocking=not _seen[1]):  # who comes while another looks is told what it saw last
        try:
            if time.monotonic() - _seen[0] >= LOOK_EVERY_SECONDS:  # nobody has looked while this one waited
                checks = look_around()
                _seen = (time.monotonic(), checks)
        finally:
            _looking.release()
    checks = _seen[1]
    is_ready = set(checks.values()) == {"ok"}
    return JsonResponse({"status": "ready" if is_ready else "not ready", **checks}, status=200 if is_ready else 503)


def forget_readiness() -> None:
    """Let the next call look anew."""
    global _seen
    _seen = (float("-inf"), {})


def look_around() -> dict[str, str]:
    """Return what a request needs, and of each whether it is there."""
    checks = {"database": "ok", "migrations": "ok", "queue": "ok", "storage": "ok"}
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            checks["migrations"] = "not applied; run manage.py migrate"
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM procrastinate_jobs LIMIT 1")
    except DatabaseError as error:
        log.error("Not ready", error=str(error))
        checks["database"] = "unreachable or incomplete"
    try:
        import_string(settings.STORAGE_CHECK)()
    except DomainError as error:
        checks["storage"] = error.code
    return checks


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 of what Django itself cannot read: problem+json under /api/, a page elsewhere. It asks for nothing more."""
    if request.path.startswith("/api/"):
        return problem_response(400, "malformed", "The request could not be read.")
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 as problem+json under /api/, as a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(404, "not_found", "There is no such address.")
    return defaults.page_not_found(request, exception)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """429 of allauth's pages; its calls under /api/ and those of the API answer for themselves."""
    return render(request, "429.html", status=429)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 as problem+json under /api/, as a page elsewhere; 503 when the database or the mail server is the trouble."""
    error = sys.exc_info()[1]
    if outages.is_database_away(error) or isinstance(error, MailNotTaken):
        if request.path.startswith("/api/"):
            response: HttpResponse = problem_response(503, "unavailable", outages.DETAIL)
        else:
            response = defaults.server_error(request)
            response.status_code = 503
        response["Retry-After"] = str(outages.RETRY_AFTER_SECONDS)
        return response
    if request.path.startswith("/api/"):
        return problem_response(500, "internal_error", "Something went wrong on our side. Please try again.")
    return defaults.server_error(request)


# --- The mail stand-in --------------------------------------------------------------------------------------------


@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    """Every mail that was sent here, newest first."""
    files = sorted(mail_folder().glob("*.log"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    mails = [
        {"name": path.name, "sent_at": datetime.fromtimestamp(path.stat().st_mtime, UTC), "message": read_mail(path)}
        for path in files[:200]
    ]
    return render(request, "sandbox/mail_list.html", {"mails": mails})


@require_safe
def mail_message(request: HttpRequest, name: str) -> HttpResponse:
    """One mail, as plain text."""
    path = mail_folder() / name
    if path.parent != mail_folder() or not path.is_file():
        raise Http404("No such mail.")
    message = read_mail(path)
    body = message.get_body(preferencelist=("plain", "html"))
    return render(
        request, "sandbox/mail_message.html", {"message": message, "body": body.get_content() if body else ""}
    )


def mail_folder() -> Path:
    """Return the folder that Django's file backend writes to."""
    return Path(settings.EMAIL_FILE_PATH)


def read_mail(path: Path) -> EmailMessage:
    """Return the first mail of a file that Django's file backend wrote."""
    message = email.message_from_bytes(path.read_bytes().split(b"\n" + b"-" * 79)[0], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
