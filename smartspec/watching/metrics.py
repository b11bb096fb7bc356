"""`/metrics` as Prometheus reads it: what this process counted, and what the database knows now."""

import ipaddress
import os
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from smartspec import clock
from smartspec.watching import selectors

REQUESTS = Histogram(
    "smartspec_request_seconds",
    "Requests by address, method and status.",
    ("route", "method", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestMetricsMiddleware:
    """Times every request under the pattern of its address: ids in addresses would make a series each."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = f"/{match.route}" if match else "unknown"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(route, method, response.status_code).observe(time.perf_counter() - started)
        return response


class DatabaseCollector:
    """Reads the figures of all apps, and the conditions, at the moment when they are asked for."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = clock.now()
        for gauge in selectors.read_gauges(now=now):
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for labels, value in gauge.samples.items():
                family.add_metric(labels, float(value))
            yield family
        holds = GaugeMetricFamily("smartspec_condition", "1 while it holds, see manage.py doctor.", labels=("name",))
        for condition in selectors.look(now=now):
            holds.add_metric((condition.name,), float(condition.holds))
        yield holds


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, for the operator's network alone; to anybody else there is no such address."""
    if not is_operator(request):
        raise Http404
    counted = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several web processes: each writes a file, any of them adds them up
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    known = CollectorRegistry()
    known.register(DatabaseCollector())
    return HttpResponse(generate_latest(counted) + generate_latest(known), content_type=CONTENT_TYPE_LATEST)


def is_operator(request: HttpRequest) -> bool:
    """Tell whether a call comes straight from one of SMARTSPEC_METRICS_NETWORKS.

    What came through the public proxy has its address, and is known by the header that the proxy adds.
    """
    if "X-Forwarded-For" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.METRICS_NETWORKS)
