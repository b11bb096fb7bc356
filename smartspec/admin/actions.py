"""What staff may do to the rows of a list besides looking at them: with a reason, by one service call for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from smartspec.backoffice import ReasonForm
from smartspec.errors import DomainError
from smartspec.users import services
from smartspec.users.models import User

ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class RowAction:
    """Something that staff do to one row, on its page, or to several at once, out of the list.

    `perform` calls one service, which checks the right again, and returns the sentence that tells what was done.
    `is_offered` tells whether a row's page shows it.
    """

    name: str
    title: str
    right: str
    sentence: str
    perform: Callable[[Any, services.Staff], str]
    is_offered: Callable[[Any], bool] = lambda row: True


class RowActionsMixin:
    """A list with `row_actions`. Each has a page that asks for the reason and says what will happen."""

    row_actions: ClassVar[Sequence[RowAction]] = ()
    change_form_outer_before_template = "admin/row_actions.html"

    def get_urls(self) -> list[URLPattern]:
        page: Any = self
        view = page.admin_site.admin_view(self.row_action_view)
        return [path("do/<slug:name>/", view, name=self.row_action_url_name), *super().get_urls()]  # type: ignore[misc]

    @property
    def row_action_url_name(self) -> str:
        options = self.model._meta  # type: ignore[attr-defined]
        return f"{options.app_label}_{options.model_name}_do"

    def row_action_url(self, action: RowAction, keys: Sequence[str]) -> str:
        query = QueryDict(mutable=True)
        query.setlist("row", list(keys))
        return f"{reverse(f'admin:{self.row_action_url_name}', args=[action.name])}?{query.urlencode()}"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions that this member of staff may take, for the list's menu; nothing else is offered there."""
        return {
            action.name: (self.bulk(action), action.name, f"{action.title} …")
            for action in self.row_actions
            if request.user.has_perm(action.right)
        }

    def bulk(self, action: RowAction) -> Callable[..., HttpResponse]:
        def lead_on(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
            keys = [str(key) for key in rows.values_list("pk", flat=True)[:ROWS_AT_ONCE]]
            return HttpResponseRedirect(self.row_action_url(action, keys))

        return lead_on

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]
        offered = [
            {"title": action.title, "url": self.row_action_url(action, [str(row.pk)])}
            for action in self.row_actions
            if row is not None and request.user.has_perm(action.right) and action.is_offered(row)
        ]
        context = {**(extra_context or {}), "row_actions": offered}
        shown: HttpResponse = super().change_view(request, object_id, form_url, context)  # type: ignore[misc]
        return shown

    def row_action_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """This will ask for the reason, and then do it to every row that was named."""
        action = next((action for action in self.row_actions if action.name == name), None)
        if action is None:
            raise Http404
        form = ReasonForm(request.POST or None)
        form.is_valid()
        staff = staff_of(request, **form.cleaned_data if form.is_bound else {})
        require_right(staff, action.right)
        rows = list(self.get_queryset(request).filter(pk__in=self.named_keys(request)))  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid() and rows:
            for row in rows:
                self.do(request, action, row, staff)
            return HttpResponseRedirect(self.page_after(rows))
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "title": action.title,
            "action": action,
            "rows": rows,
            "form": form,
            "back_url": self.page_after(rows),
        }
        return TemplateResponse(request, "admin/row_action.html", context)

    def named_keys(self, request: HttpRequest) -> list[Any]:
        """Return the keys in the address that can be keys at all."""
        field = self.model._meta.pk  # type: ignore[attr-defined]
        keys = []
        for text in request.GET.getlist("row")[:ROWS_AT_ONCE]:
            try:
                keys.append(field.to_python(text))
            except ValidationError:
                continue
        return keys

    def do(self, request: HttpRequest, action: RowAction, row: Model, staff: services.Staff) -> None:
        try:
            done = action.perform(row, staff)
        except DomainError as refusal:
            messages.warning(request, f"{row}: {refusal.detail}")
        else:
            messages.success(request, done)

    def page_after(self, rows: Sequence[Model]) -> str:
        options = self.model._meta  # type: ignore[attr-defined]
        place = f"admin:{options.app_label}_{options.model_name}"
        if len(rows) == 1:
            return reverse(f"{place}_change", args=[quote(rows[0].pk)])
        return reverse(f"{place}_changelist")


def staff_of(request: HttpRequest, *, reason: str = "", note: str = "") -> services.Staff:
    """Return who is at work, and from where."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type; admin_view lets nobody else in
    return services.Staff(request.user, get_adapter().get_client_ip(request), reason, note)


def require_right(staff: services.Staff, right: str) -> None:
    """This will let a member of staff see a page that takes a right; whoever has not gets 403, and is logged.

    :raises PermissionDenied: they have not.
    """
    try:
        services.require_right(staff, right)
    except services.NotPermitted as refusal:
        raise PermissionDenied(refusal.detail) from refusal
