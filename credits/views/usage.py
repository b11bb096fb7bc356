"""What was spent, and on what."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from credits import selectors
from credits.serializers.periods import DaysQuerySerializer, PeriodQuerySerializer
from credits.serializers.usage import UsageDaysSerializer, UsageModelsSerializer, UsageSummarySerializer
from credits.views.base import covered_period
from smartspec import clock
from smartspec.api import Endpoint, caller_id, read_query


class UsageSummaryView(Endpoint):
    @extend_schema(
        operation_id="summarise_usage",
        parameters=[PeriodQuerySerializer],
        responses=UsageSummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """What each operation cost in a span of time; without dates, in this allowance period."""
        query = read_query(request, PeriodQuerySerializer)
        account_id = caller_id(request)
        if query:
            period = covered_period(account_id, query)
        else:
            state = selectors.get_plan_state(account_id=account_id, now=clock.now())
            period = {"period_start": state.period_start, "period_end": state.period_end}
        sums = selectors.usage_since(account_id=account_id, since=period["period_start"], until=period["period_end"])
        answer = {"summary": {found.operation: found for found in sums}, **period}
        return Response(UsageSummarySerializer(answer).data)


class UsageByDayView(Endpoint):
    @extend_schema(
        operation_id="list_usage_by_day",
        parameters=[DaysQuerySerializer],
        responses=UsageDaysSerializer,
    )
    def get(self, request: Request) -> Response:
        """What each of the last days cost, also the empty ones, the oldest first."""
        days = read_query(request, DaysQuerySerializer)["days"]
        data = selectors.usage_by_day(account_id=caller_id(request), days=days, now=clock.now())
        return Response(UsageDaysSerializer({"data": data, "days": days}).data)


class UsageByModelView(Endpoint):
    @extend_schema(
        operation_id="list_usage_by_model",
        parameters=[DaysQuerySerializer],
        responses=UsageModelsSerializer,
    )
    def get(self, request: Request) -> Response:
        """What each model cost in the last days, most credits first."""
        days = read_query(request, DaysQuerySerializer)["days"]
        data = selectors.usage_by_model(account_id=caller_id(request), days=days, now=clock.now())
        return Response(UsageModelsSerializer({"data": data, "days": days}).data)
