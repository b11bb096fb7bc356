"""What plans give and operations cost."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from credits import selectors, services
from credits.serializers.catalogue import JobQuoteSerializer, JobSerializer, PlanListSerializer, RateListSerializer
from credits.views.base import field_error
from smartspec import clock
from smartspec.api import Endpoint, caller_id, read_body


class PlansView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="list_plans", auth=[], responses=PlanListSerializer)
    def get(self, request: Request) -> Response:
        """The plans, the smallest first. Public."""
        return Response(PlanListSerializer({"plans": selectors.list_plans()}).data)


class RatesView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="list_rates", auth=[], responses=RateListSerializer)
    def get(self, request: Request) -> Response:
        """What operations cost, now and as announced. Public."""
        return Response(RateListSerializer({"rates": selectors.list_rates(now=clock.now())}).data)


class QuoteView(Endpoint):
    key_scope = "read"  # it changes nothing

    @extend_schema(
        operation_id="quote_job",
        request=JobSerializer,
        responses=JobQuoteSerializer,
    )
    def post(self, request: Request) -> Response:
        """What a job would cost now, line by line, and whether I can afford it."""
        job = read_body(request, JobSerializer)
        try:
            quote = selectors.quote(account_id=caller_id(request), now=clock.now(), **job)
        except (services.InvalidJob, services.UnknownOperation) as refusal:
            raise field_error(refusal) from refusal
        return Response(JobQuoteSerializer(quote).data)
