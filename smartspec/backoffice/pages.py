"""Find anyone, a person's page, and the page of an action. They know no app: they show what apps have put there."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_safe

from smartspec import clock
from smartspec.admin.actions import require_right, staff_of
from smartspec.backoffice import places
from smartspec.backoffice.history import Position, read_timeline
from smartspec.backoffice.words import Action, ActionForm, ActionLink, Document, Hit, Panel
from smartspec.errors import DomainError
from smartspec.users import services as users_services
from smartspec.users.models import StaffReason, User
from smartspec.users.services import Staff

VIEW_PEOPLE = "users.view_user"
PEOPLE_SHOWN = 50
EVERYTHING = "everything"


def require(request: HttpRequest, right: str) -> User:
    """Return the member of staff, if they have a right; whoever has not is logged and gets 403."""
    staff = staff_of(request)
    require_right(staff, right)
    return staff.user


def page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> TemplateResponse:
    """Return a page in the admin's frame."""
    frame = admin.site.each_context(request)
    return TemplateResponse(request, f"admin/backoffice/{template}.html", {**frame, **context}, status=status)


# --- Find anyone --------------------------------------------------------------------------------------------------


@require_safe
def find_anyone(request: HttpRequest) -> HttpResponse:
    """Show the people whom a term means; lead to the person when it is only one."""
    viewer = require(request, VIEW_PEOPLE)
    term = request.GET.get("q", "").strip().replace("\0", "")
    hits = search(term, viewer) if term else []
    if len(hits) == 1:
        return HttpResponseRedirect(reverse("backoffice:person", args=[hits[0].user_id]))
    people = User.objects.in_bulk([hit.user_id for hit in hits])
    found = [(people[hit.user_id], hit.found_by) for hit in hits if hit.user_id in people]
    is_cut = len(found) > PEOPLE_SHOWN
    context = {"title": "Find anyone", "term": term, "found": found[:PEOPLE_SHOWN], "is_cut": is_cut}
    return page(request, "find", context)


def search(term: str, viewer: User) -> list[Hit]:
    """Return whom a term means, each person once, by the search that found them first."""
    hits: dict[UUID, Hit] = {}
    for filled in places.searches.seen_by(viewer):
        for hit in filled.call(term):
            hits.setdefault(hit.user_id, hit)
    return list(hits.values())


# --- A person -----------------------------------------------------------------------------------------------------


@require_safe
def person(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Show everything about a person."""
    viewer = require(request, VIEW_PEOPLE)
    user = get_object_or_404(User, pk=user_id)
    now = clock.now()
    offered = [filled.call for filled in places.actions.seen_by(viewer) if filled.call.is_offered(user=user, now=now)]
    position = Position.parse(request.GET.get("until", ""), now)
    kinds = {filled.name: filled.is_detail for filled in places.timeline.seen_by(viewer)}
    chosen = [kind for kind in request.GET.getlist("show") if kind in kinds or kind == EVERYTHING]
    shown = list(kinds) if EVERYTHING in chosen else chosen or [kind for kind in kinds if not kinds[kind]]
    history = read_timeline(user=user, viewer=viewer, kinds=shown, position=position)
    context = {
        "title": "Person",
        "person": user,
        "facts": places.collect(filled.call(user, now) for filled in places.facts.seen_by(viewer)),
        "alerts": [
            (alert, alert.action and link_to(alert.action, user, viewer))
            for alert in places.collect(filled.call(user, now) for filled in places.alerts.seen_by(viewer))
        ],
        "links": places.collect(filled.call(user) for filled in places.links.seen_by(viewer)),
        "panels": [
            with_links(panel, user, viewer)
            for panel in places.collect(filled.call(user, now) for filled in places.panels.seen_by(viewer))
        ],
        "actions": offered,
        "history": history,
        "kinds": list(kinds),
        "chosen": chosen,
        "older": timeline_address(chosen, history.next) if history.next else "",
        "is_older": "until" in request.GET,
        "balance": balance_at(request, user),
        "now": now,
    }
    return page(request, "person", context)


def with_links(panel: Panel, user: User, viewer: User) -> Panel:
    """Return a panel whose cells that lead to actions are links, or empty for who may not do them."""

    def shown(cell: Any) -> Any:
        return link_to(cell, user, viewer) if isinstance(cell, ActionLink) else cell

    return replace(panel, rows=[[shown(cell) for cell in row] for row in panel.rows])


def link_to(link: ActionLink, user: User, viewer: User) -> str:
    """Return the link to an action; empty for who may not do it."""
    action = places.actions.find(link.slug)
    if action is None or not viewer.has_perm(action.right):
        return ""
    address = reverse("backoffice:action", args=[user.pk, link.slug])
    return format_html('<a class="bo-link" href="{}?target={}">{}</a>', address, link.target, link.text)


def timeline_address(chosen: list[str], position: Position) -> str:
    return "?" + urlencode([("until", str(position)), *(("show", kind) for kind in chosen)]) + "#timeline"


def balance_at(request: HttpRequest, user: User) -> dict[str, Any] | None:
    """Return what the person had at the moment that is asked for, if one is."""
    asked = request.GET.get("at", "").strip()
    if not asked:
        return None
    at = read_moment(asked)
    if at is None:
        return {"asked": asked, "error": "Write a date and time, such as 2026-03-10 12:00 (UTC)."}
    answers = [filled.call(user, at) for filled in places.balances.seen_by(require(request, VIEW_PEOPLE))]
    return {"asked": asked, "at": at, "balances": answers}


def read_moment(text: str) -> datetime | None:
    """Return a moment written as people or browsers write it, in UTC; None for anything else."""
    try:
        return clock.read_moment(text)
    except ValueError:
        return None


# --- Actions ------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, user_id: UUID, name: str) -> HttpResponseBase:
    """Ask for what an action needs, show what would happen, and do it once that is confirmed."""
    filled = places.actions.find(name)
    if filled is None:
        raise Http404
    action = filled.call
    require(request, VIEW_PEOPLE)
    require(request, action.right)
    user = get_object_or_404(User, pk=user_id)
    target = (request.POST or request.GET).get("target", "")
    if action.needs_target and not target:
        raise Http404
    now = clock.now()
    try:
        return act_on(request, action, user, target, now)
    except users_services.NotPermitted as refusal:
        raise PermissionDenied(refusal.detail) from refusal


def act_on(request: HttpRequest, action: Action, user: User, target: str, now: datetime) -> HttpResponseBase:
    back = reverse("backoffice:person", args=[user.pk])
    key, preview, refusal, status = read_key(request), None, "", 200
    if request.method == "POST":
        form = action.form_class(request.POST, user=user, target=target, now=now)
        if form.is_valid():
            staff = staff_of(request, reason=form.cleaned_data["reason"], note=form.cleaned_data["note"])
            try:
                if "confirm" in request.POST:
                    done = action.perform(form=form, staff=staff, key=key)
                    if isinstance(done, Document):
                        return file(done)
                    messages.success(request, done)
                    return HttpResponseRedirect(back)
                if "change" not in request.POST:
                    preview = action.preview(form=form, staff=staff)
            except users_services.NotPermitted:
                raise
            except DomainError as error:
                refusal, status = error.detail, error.status
    else:
        try:
            initial = action.initial(user=user, target=target, now=now)
        except DomainError as error:
            raise Http404 from error
        form = action.form_class(initial=initial, user=user, target=target, now=now)
    context = {
        "title": action.title,
        "subtitle": user.email,
        "action": action,
        "person": user,
        "target": target,
        "form": form,
        "key": key,
        "about": about(action, form, staff_of(request)),
        "preview": preview,
        "reason": dict(StaffReason.choices).get(form["reason"].value() or "", ""),
        "refusal": refusal,
        "back": back,
    }
    return page(request, "action", context, status=status)


def about(action: Action, form: ActionForm, staff: Staff) -> str:
    """Return what an action is about; nothing where it is about nothing that there is."""
    try:
        return action.about(form=form, staff=staff)
    except DomainError:
        return ""


def file(document: Document) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{document.name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(document.content, content_type=document.content_type, headers=headers)


def read_key(request: HttpRequest) -> str:
    """Return the form's own key, so that a second click is the same click."""
    try:
        return str(UUID(request.POST.get("key", "")))
    except ValueError:
        return str(uuid4())
