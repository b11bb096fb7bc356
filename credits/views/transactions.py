"""The history of an account: pages, sums, and the whole of it as a file."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from credits import selectors
from credits.serializers.periods import PeriodQuerySerializer
from credits.serializers.transactions import (
    EntryPageQuerySerializer,
    EntryPageSerializer,
    EntrySerializer,
    EntrySummarySerializer,
    ExportQuerySerializer,
)
from credits.views.base import covered_period
from smartspec import clock, exports
from smartspec.api import Endpoint, caller_id, read_query


class TransactionsView(Endpoint):
    @extend_schema(
        operation_id="list_transactions",
        parameters=[EntryPageQuerySerializer],
        responses=EntryPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """My history, the newest first."""
        query = read_query(request, EntryPageQuerySerializer)
        page = selectors.list_transactions(
            filter=filter_of(caller_id(request), query),
            limit=query["limit"],
            page=query["page"],
            cursor=query.get("cursor"),
        )
        return Response(EntryPageSerializer(page).data)


class TransactionExportView(Endpoint):
    @extend_schema(
        operation_id="export_transactions",
        parameters=[ExportQuerySerializer],
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/json"): EntrySerializer(many=True),
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """My whole history as a file, the newest first."""
        query = read_query(request, ExportQuerySerializer)
        return send_export(filter_of(caller_id(request), query), query["format"])


class TransactionSummaryView(Endpoint):
    @extend_schema(
        operation_id="summarise_transactions",
        parameters=[PeriodQuerySerializer],
        responses=EntrySummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """How much of each type there was; without dates, in all."""
        query = read_query(request, PeriodQuerySerializer)
        account_id = caller_id(request)
        sums = selectors.summarise_transactions(account_id=account_id, **query)
        answer = {"summary": {found.entry_type: found for found in sums}, **covered_period(account_id, query)}
        return Response(EntrySummarySerializer(answer).data)


def filter_of(account_id: UUID, query: dict[str, Any]) -> selectors.TransactionFilter:
    """Return the filter that a query asks for."""
    return selectors.TransactionFilter(
        account_id=account_id,
        entry_type=query.get("type"),
        date_from=query.get("date_from"),
        date_to=query.get("date_to"),
        search=query.get("search", ""),
    )


def send_export(filter: selectors.TransactionFilter, format: str) -> StreamingHttpResponse:
    """Return a history as a file (`csv` or `json`) that is written while it is sent."""
    shown = EntrySerializer()  # one for all rows: making it costs more than a row does
    rows = (dict(shown.to_representation(entry)) for entry in selectors.iterate_transactions(filter=filter))
    write, content_type = exports.WRITERS[format]
    name = f"smartspec-transactions-{clock.now():%Y-%m-%d}.{format}"
    return StreamingHttpResponse(
        write(rows, list(shown.fields)),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
