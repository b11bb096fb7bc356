from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from billing.sandbox.api import dispatch
from smartspec import clock


@csrf_exempt
def api(request: HttpRequest, path: str) -> HttpResponse:
    """Stripe's API, `v1/…`, for programs outside this process."""
    query = request.META.get("QUERY_STRING", "")
    answered = dispatch.answer(
        method=request.method or "GET",
        url=f"/{path}" + (f"?{query}" if query else ""),
        headers=request.headers,
        body=request.body.decode(errors="replace"),
        now=clock.now(),
    )
    response = HttpResponse(answered.body, status=answered.status)
    for name, value in answered.headers.items():
        response[name] = value
    return response
