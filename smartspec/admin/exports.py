"""A filtered list as a file."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.html import strip_tags
from django.utils.text import capfirst

from smartspec import exports
from smartspec.exports import Row
from smartspec.paging import in_pages

CHECKBOX = "action_checkbox"


class CsvExportMixin:
    """A list that can be taken along as CSV: its columns, of all the rows that search and filters leave.

    Rows come in the order of their key, some at a time, so that a long list costs no memory. A cell is what the column
    shows, as text that no spreadsheet runs as a formula.
    """

    list_after_template = "admin/export.html"

    def get_urls(self) -> list[URLPattern]:
        page: Any = self
        name = f"{page.opts.app_label}_{page.opts.model_name}_export"
        return [path("export.csv", page.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]  # type: ignore[misc]

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """This will stream the list, filtered as its page is."""
        page: Any = self
        if not page.has_view_permission(request):
            raise PermissionDenied
        try:
            changes = page.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest("There is no such filter.")
        columns = [column for column in changes.list_display if column != CHECKBOX]
        titles = [capfirst(str(label_for_field(column, page.model, page))) for column in columns]
        file = exports.write_csv(self.export_rows(changes.get_queryset(request), columns, titles), titles)
        headers = {
            "Content-Disposition": f'attachment; filename="{page.opts.model_name}.csv"',
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(file, content_type="text/csv; charset=utf-8", headers=headers)

    def export_rows(self, rows: Any, columns: list[Any], titles: list[str]) -> Iterator[Row]:
        for row in in_pages(rows.order_by("pk")):
            yield dict(zip(titles, (self.export_cell(column, row) for column in columns), strict=True))

    def export_cell(self, column: Any, row: Any) -> str | Decimal:
        """Return what a column shows of a row: a number as a number, a time in UTC, anything else as text."""
        column = getattr(column, "moment_field", column)
        try:
            field, _, value = lookup_field(column, row, self)  # type: ignore[arg-type] # it is mixed into one
        except ObjectDoesNotExist:
            return ""
        if field is not None and field.is_relation:
            value = getattr(row, field.name)
        if value is None:
            return ""
        if isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return value if isinstance(value, Decimal) else " ".join(strip_tags(str(value)).split())
