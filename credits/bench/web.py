"""The product's web server on the bench's database, with one view more: a POST that is authenticated and does nothing.

Served by gunicorn as `credits.bench.web:application`; `BENCH_DATABASE` names the database.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartspec.settings")

from django.conf import settings

settings.DATABASES["default"]["NAME"] = os.environ["BENCH_DATABASE"]
settings.ROOT_URLCONF = "credits.bench.web"
# A person's calls are limited to far fewer than the bench makes. The service key's limit stays what it is.
settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"key": "6000000/m", "user": "6000000/m"}

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from django.urls import include, path  # noqa: E402
from drf_spectacular.utils import extend_schema  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from credits.views.base import SpendsCredits  # noqa: E402
from smartspec.api import Endpoint  # noqa: E402


class NoOpView(Endpoint):
    """Everything that happens to a call before and after a view: middleware, key, scope, throttle, rendering."""

    permission_classes = (SpendsCredits,)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Do nothing."""
        answer: dict[str, Any] = {"ok": True}
        return Response(answer, status=201)


urlpatterns = [path("bench/no-op", NoOpView.as_view()), path("", include("smartspec.urls"))]
