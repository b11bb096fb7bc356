"""What an account has, and what it had."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from credits import selectors
from credits.serializers.balance import BalanceQuerySerializer, BalanceSerializer, PastBalanceSerializer
from smartspec import clock
from smartspec.api import Endpoint, caller_id, read_query


class BalanceView(Endpoint):
    @extend_schema(
        operation_id="get_balance",
        parameters=[BalanceQuerySerializer],
        responses=PolymorphicProxySerializer(
            component_name="BalanceNowOrThen",
            serializers=[BalanceSerializer, PastBalanceSerializer],
            resource_type_field_name=None,
        ),
    )
    def get(self, request: Request) -> Response:
        """My credits now; with `at`, what the balance was then."""
        query = read_query(request, BalanceQuerySerializer)
        account_id = caller_id(request)
        if "at" in query:
            balance = selectors.balance_at(account_id=account_id, at=query["at"])
            then = {"at": query["at"], "balance_credits": balance}
            return Response(PastBalanceSerializer(then).data)
        now = selectors.get_balance(account_id=account_id, now=clock.now())
        return Response(BalanceSerializer(now).data)
