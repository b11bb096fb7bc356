"""Which web pages may use the bucket: this site's own, and the desktop app's."""

from django.conf import settings

from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request

METHODS = ("GET", "HEAD", "PUT", "DELETE")
EXPOSED = ("ETag", "Content-Length", "Content-Range", "Accept-Ranges", "Last-Modified", "x-amz-request-id")
MAX_AGE_SECONDS = 3600
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def is_allowed(origin: str) -> bool:
    return origin in (settings.SITE_URL, *settings.APP_ORIGINS)


def headers(request: Request) -> dict[str, str]:
    """Return what lets a page of an allowed origin read the answer, refusals included."""
    origin = request.headers.get("origin", "")
    if not is_allowed(origin):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        "Vary": VARY,
    }


def preflight(request: Request) -> Answer:
    """Answer the question that a browser asks before it sends what a form could not.

    :raises S3Error: AccessForbidden, for another origin or method.
    """
    if "origin" not in request.headers:
        raise S3Error("InvalidRequest", "Insufficient information. Origin request header needed.")
    method = request.headers.get("access-control-request-method", "")
    if not is_allowed(request.headers["origin"]) or method not in METHODS:
        raise S3Error("AccessForbidden", Method=method, ResourceType="OBJECT")
    wanted = request.headers.get("access-control-request-headers", "")
    return Answer(headers={"Access-Control-Allow-Headers": wanted, "Content-Length": "0"} if wanted else {})
