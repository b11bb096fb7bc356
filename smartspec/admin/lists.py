"""Lists of the admin: read-only, with bounded queries, and searched by the people they are about."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import CharField, DateField, DateTimeField, Field, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from smartspec.admin.columns import moment_column
from smartspec.admin.exports import CsvExportMixin
from smartspec.users import selectors

ROWS_LISTED = 10_000
KEY_SEPARATOR = "~"
# What a filter puts after its name into the address: a relation is asked for by the key of its model.
FILTERED_BY = ("", "__exact", "__id__exact", "__slug__exact", "__isnull", "__isempty", "__gte", "__lt")
A_DAY, TO_THE_MINUTE, TO_THE_SECOND = "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S UTC"

# --- Finding ------------------------------------------------------------------------------------------------------


def find_user_ids(term: str) -> list[UUID]:
    """Return the ids of the users that a term means, 100 at most: an id, an e-mail address or its start, a name."""
    try:
        return [UUID(term)]
    except ValueError:
        return [user.pk for user in selectors.find_people(term=term)]


class BoundedPaginator(Paginator):
    """Pages of the first 10,000 rows. Whoever wants others searches: nobody leafs that far, and counting costs."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:ROWS_LISTED].count())


class UserSearchMixin:
    """Searches by user (id, e-mail, name) and by the exact value of `search_fields`, each through its own index."""

    user_field: ClassVar[str] = "user"
    search_help_text = "E-mail, name or id of a user, or an id of this list. At most 10,000 rows are listed."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(**{f"{self.user_field}__in": find_user_ids(term)}) if self.user_field else Q(pk__in=[])
        for name in self.search_fields:  # type: ignore[attr-defined]
            try:
                found |= Q(**{name: self.model._meta.get_field(name).to_python(term)})  # type: ignore[attr-defined]
            except ValidationError:
                continue  # the term cannot be a value of this field
        return queryset.filter(found), False


# --- Reading ------------------------------------------------------------------------------------------------------


class ListedValuesFilter(AllValuesFieldListFilter):
    """Offers the values of the rows that are listed. Django's own reads a table from end to end for its choices."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        listed = model._default_manager.order_by(*model_admin.get_ordering(request))
        values = set(listed.values_list(field_path, flat=True)[:ROWS_LISTED])
        shown: Any = sorted(value for value in values if value is not None)
        self.lookup_choices = shown


class PlainAdmin(CsvExportMixin, ModelAdmin):
    """A list whose queries have an end, without bulk actions."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 50
    actions = None
    compressed_fields = True

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """:raises IncorrectLookupParameters: no such value can be: Postgres keeps no text with a NUL in it."""
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            raise IncorrectLookupParameters
        return super().get_changelist_instance(request)

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        return self.with_moments(super().get_list_display(request), TO_THE_MINUTE)

    def with_moments(self, shown: Sequence[Any], written: str) -> list[Any]:
        """Return columns or fields whose days and moments are written alike everywhere, the moments as told."""
        fields = {field.name: field for field in self.opts.concrete_fields if isinstance(field, DateField)}
        return [
            moment_column(fields[name], written if isinstance(fields[name], DateTimeField) else A_DAY)
            if isinstance(name, str) and name in fields
            else name
            for name in shown
        ]

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        texts = {
            field.name for field in self.opts.concrete_fields if isinstance(field, CharField) and not field.choices
        }
        return [(name, ListedValuesFilter) if name in texts else name for name in super().get_list_filter(request)]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what a filter offers may be asked for in the address. `digest__startswith=a` would tell secrets apart,
        and so would `groups__user__password__startswith=a`, which walks there from a field that has a filter."""
        if request is None:
            return False
        names = map(filter_name, self.get_list_filter(request))
        return lookup in {f"{name}{condition}" for name in names for condition in FILTERED_BY}


def filter_name(list_filter: Any) -> str:
    """Return the name by which a list filter is asked for: its field's, or its own."""
    if isinstance(list_filter, tuple):
        list_filter = list_filter[0]
    return list_filter if isinstance(list_filter, str) else list_filter.parameter_name


class ReadOnlyAdmin(PlainAdmin):
    """Looked at by whoever has the right to view; added to, changed and deleted by nobody."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (title, {**options, "fields": self.with_moments(options["fields"], TO_THE_SECOND)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """This will show a row. It has no history here: staff never change it."""
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "show_history": False})


class HugeAdmin(ReadOnlyAdmin):
    """A list too long to filter or sort as a whole: both come once a search has narrowed it to some users."""

    sortable_by: Sequence[str] = ()

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        return super().get_list_filter(request) if request.GET.get("q", "").strip() else ()


class CompositeKeyChangeList(ChangeList):
    def url_for_result(self, result: Model) -> str:
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[quote(self.model_admin.key_of(result))]
        )


class CompositeKeyAdmin(HugeAdmin):
    """A row is named by its key's columns, joined: Django's admin itself knows keys of one column alone."""

    @classmethod
    def register(cls, model: type[Model]) -> None:
        """This will put the model into the admin. `site.register` refuses composite keys, because links and look-ups
        by key are what its ModelAdmin cannot do; this class does both."""
        admin.site._registry[model] = cls(model, admin.site)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CompositeKeyChangeList

    def key_of(self, row: Model) -> str:
        return KEY_SEPARATOR.join(str(value) for value in row.pk)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        fields: Iterable[Field[Any, Any]] = self.model._meta.pk_fields
        names = [field.attname for field in fields]
        parts = object_id.split(KEY_SEPARATOR, len(names) - 1)
        if len(parts) != len(names) or "\0" in object_id:
            return None
        try:
            key = {field.attname: field.to_python(part) for field, part in zip(fields, parts, strict=True)}
        except ValidationError:
            return None
        return self.get_queryset(request).select_related(*(self.list_select_related or ())).filter(**key).first()
