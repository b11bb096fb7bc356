"""The stand-in over HTTP, for browsers and programs outside this process."""

from typing import cast
from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from media.sandbox import dispatch
from media.sandbox.messages import Readable, Request


@csrf_exempt
def s3(request: HttpRequest, path: str) -> HttpResponseBase:
    """S3's API, path style: `/<bucket>/<key>`."""
    bucket, _, key = path.removeprefix("/").partition("/")
    answered = dispatch.answer(
        Request(
            method=request.method or "GET",
            path=request.path,
            bucket=bucket,
            key=key,
            query=parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=cast(Readable, request),
        ),
        now=timezone.now(),
    )
    response = StreamingHttpResponse(answered.body, status=answered.status)
    del response["Content-Type"]
    # What lies in a bucket is nobody's page: it runs no script and sees no cookie of this site.
    response["Content-Security-Policy"] = "sandbox"
    for name, value in answered.headers.items():
        response[name] = value
    return response
