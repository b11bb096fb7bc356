"""Pages and their files go over the wire compressed; the API, whose answers are small and many, does not."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

# What programs read: S3's answers are signed for by their length and entity tag.
UNTOUCHED = ("/api/", "/sandbox/", "/metrics")


class PageGZipMiddleware(GZipMiddleware):
    """Compresses what browsers load. What was compressed when it was built stays as it is."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.path_info.startswith(UNTOUCHED):
            return response
        return super().process_response(request, response)
