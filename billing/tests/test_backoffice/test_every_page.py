"""Every address of the back-office, as the URL map has them: a new page cannot be forgotten here.

Whoever adds one of a new form, an action or a service for staff is told to say who may use it.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from billing import services
from billing.models import Package
from billing.tests.test_admin import client_of, live
from billing.tests.test_backoffice.desk import ACTIONS, ROLES, WHY, make_key, page_of, staff_client
from billing.tests.test_backoffice.states import make_credits, make_others, make_rows, make_work
from credits import services as credits_services
from credits.models import Plan, Rate
from media import services as media_services
from smartspec import backoffice, clock, jobs
from smartspec.testing import make_user
from smartspec.users import services as users_services
from smartspec.users.models import StaffAction, User

HELPERS = {"Support", "Billing", "Admin"}
DECIDERS = {"Billing", "Admin"}
NO_ROLE = "nobody"
# Whose rows are added and changed by whom; everything else is looked at alone. Only superusers see groups.
EDITED = {
    "billing.package": {"add": DECIDERS, "change": DECIDERS},
    "credits.plan": {"change": DECIDERS},
    "credits.rate": {"add": DECIDERS, "change": DECIDERS},
    "users.user": {"change": {"Admin"}},
}
# What is done to rows of lists, and by whom.
ROW_ACTIONS = {
    ("billing.webhook", "replay"): HELPERS,
    ("billing.webhook", "ignore"): DECIDERS,
    ("credits.rate", "withdraw"): DECIDERS,
    ("procrastinate.procrastinatejob", "retry"): HELPERS,
    ("procrastinate.procrastinatejob", "ignore"): DECIDERS,
    ("users.apikey", "revoke"): HELPERS,
}
# A service's key is for the Admin alone to revoke; `revoke` of the list is tried on a person's.
ROWS_TRIED = {"users.apikey": {"user__isnull": False}}
# What staff call, and who may; none: these ask nothing, and are called by those that do.
SERVICES: dict[Callable[..., Any], set[str] | None] = {
    credits_services.adjust_by_staff: HELPERS,
    credits_services.decide_adjustment: DECIDERS,
    credits_services.find_decidable: DECIDERS,
    credits_services.freeze_by_staff: DECIDERS,
    credits_services.limit_exceeded: None,
    credits_services.release_hold_by_staff: HELPERS,
    credits_services.save_plan: DECIDERS,
    credits_services.save_rate: DECIDERS,
    credits_services.thaw_by_staff: DECIDERS,
    credits_services.withdraw_rate: DECIDERS,
    services.accept_by_staff: DECIDERS,
    services.cancel_by_staff: DECIDERS,
    services.ignore_webhook: DECIDERS,
    services.reactivate_by_staff: DECIDERS,
    services.refund_by_staff: DECIDERS,
    services.refund_invoice_by_staff: DECIDERS,
    services.replay_webhook: HELPERS,
    services.resend_fulfilment: HELPERS,
    services.save_package: DECIDERS,
    services.sync_user_from_stripe: HELPERS,
    users_services.change_person_by_staff: {"Admin"},
    users_services.changeable_fields: None,
    users_services.delete_by_staff: DECIDERS,
    users_services.end_sessions_by_staff: HELPERS,
    users_services.erase_by_staff: {"Admin"},
    users_services.forbid_own: None,
    users_services.hand_out_by_staff: {"Admin"},
    users_services.record_action: None,
    users_services.remove_second_factor_by_staff: {"Admin"},
    users_services.note_about: None,
    users_services.require_right: None,
    users_services.resend_verification_by_staff: HELPERS,
    users_services.revoke_key_by_staff: HELPERS,
    users_services.save_by_staff: DECIDERS,
    users_services.view_as: HELPERS,
    jobs.ignore_job: DECIDERS,
    jobs.record: None,
    jobs.retry_job: HELPERS,
}


# --- The URL map --------------------------------------------------------------------------------------------------


def patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every route below a resolver, with its pattern."""
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        else:
            yield route, pattern


@cache
def office_routes() -> list[str]:
    """Return the routes of the back-office, the admin's and our own, as the URL map writes them."""
    return [route for route, _ in patterns(get_resolver()) if route.startswith("admin/")]


def model_of(route: str) -> type[Model] | None:
    _, label, name, *_ = [*route.split("/"), "", ""]
    return apps.get_model(label, name) if label in apps.app_configs and name else None


def key_of(row: Model) -> str:
    page: Any = admin.site._registry[type(row)]
    return quote(page.key_of(row) if hasattr(page, "key_of") else str(row.pk))


def expected(model: type[Model], step: str, role: str) -> int:
    """Return how a page of a model answers somebody of a role."""
    if step == "":
        return 302  # to the page itself, whether there is one or not
    if role == NO_ROLE or model is Group:
        return 403
    if step in ("add", "delete"):
        return 200 if role in EDITED.get(model._meta.label_lower, {}).get(step, set()) else 403
    return 200


def addresses(route: str, person: User, role: str) -> list[tuple[str, int]]:
    """Return the addresses that a route stands for, one of each kind, and how each answers somebody of a role.

    :raises AssertionError: a route of a new form.
    """
    who = 403 if role == NO_ROLE else 200
    model = model_of(route)
    tail = "/".join(route.split("/")[3:]) if model else route
    if model is not None:
        start = "/" + "/".join(route.split("/")[:3]) + "/"
        row = model._default_manager.order_by("pk").last()
        if tail == "":
            return [(start, expected(model, "list", role))]
        if tail in ("add/", "export.csv"):
            return [(start + tail, expected(model, tail.rstrip("/"), role))]
        if tail.startswith("<path:object_id>/") and row is not None:
            step = tail.removeprefix("<path:object_id>/").rstrip("/")
            return [(start + tail.replace("<path:object_id>", key_of(row)), expected(model, step, role))]
        if tail == "do/<slug:name>/":
            return [
                (f"{start}do/{name}/?row={row.pk if row else ''}", 200 if role in allowed else 403)
                for (label, name), allowed in ROW_ACTIONS.items()
                if label == model._meta.label_lower
            ]
        if tail.startswith("<path:object_id>/"):
            return []  # no row is there
    match tail:
        case "admin/" | "admin/jsi18n/" | "admin/search/" | "admin/password_change/done/":
            return [("/" + tail, 200)]
        case "admin/login/" | "admin/logout/" | "admin/password_change/" | "admin/autocomplete/":
            return []  # see the tests of the door, and below
        case "admin/people/":
            return [("/admin/people/", who), ("/admin/people/?q=nobody@nowhere.test", who)]
        case "admin/people/<uuid:user_id>/":
            return [(page_of(person), who)]
        case "admin/people/<uuid:user_id>/<slug:name>/":
            return []  # every action has its tests
        case r"admin/r/<path:content_type_id>/<path:object_id>/":
            return [("/admin/r/1/1/", 404)]
        case r"admin/(?P<url>.*)$":
            return [("/admin/nothing/of/the/kind/", 404)]
    if labels := re.search(r"\(\?P<app_label>([a-z|]+)\)", route):
        return [(f"/admin/{label}/", app_index(label, role)) for label in labels[1].split("|")]
    raise AssertionError(f"{route} is of a form that is not looked at here.")


def app_index(label: str, role: str) -> int:
    return 404 if role == NO_ROLE or label == "auth" else 200


def browser_of(role: str) -> Client:
    if role == NO_ROLE:
        return client_of(make_user("nobody@staff.test", is_staff=True))
    return staff_client(role)


class TestEveryAddress:
    """Every page answers every role as it should, with rows of every state, and with none."""

    @pytest.mark.parametrize("role", ["Support", "Admin"])
    def test_answers_where_nothing_is(self, alice: User, role: str) -> None:
        self.look(browser_of(role), alice, role)

    @pytest.mark.parametrize("role", [*ROLES, NO_ROLE])
    def test_answers_where_everything_is_and_logs_whom_it_refuses(self, alice: User, role: str, caplog: Any) -> None:
        now = clock.now()
        live(alice, now)
        make_others(alice, now)
        found = self.look(browser_of(role), alice, role)
        assert caplog.text.count("Forbidden (Permission denied)") == [was for was, _ in found.values()].count(403)

    def look(self, client: Client, person: User, role: str) -> dict[str, tuple[int, int]]:
        found = {
            address: (client.get(address).status_code, status)
            for route in office_routes()
            for address, status in addresses(route, person, role)
        }
        assert len(found) > 100
        assert {address: was for address, was in found.items() if was[0] != was[1]} == {}
        return found

    @pytest.mark.parametrize("role", ["Support", "Auditor"])
    def test_takes_no_change_of_who_only_looks(self, alice: User, role: str, caplog: Any) -> None:
        client = staff_client(role)
        live(alice, clock.now())
        posted = 0
        for model in admin.site._registry:
            row = model._default_manager.order_by("pk").last()
            assert row is not None, model
            start = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for address in (f"{start}add/", f"{start}{key_of(row)}/change/", f"{start}{key_of(row)}/delete/"):
                assert client.post(address, {"post": "yes"}).status_code == 403, address
                posted += 1
        assert caplog.text.count("Forbidden (Permission denied)") == posted  # and each is logged

    def test_shows_rows_of_every_state(self, alice: User) -> None:
        client, now = staff_client("Auditor"), clock.now()
        rows = [*make_rows(alice, now), *make_work(alice, now), *make_others(alice, now)]
        make_credits(alice, now)
        for row in rows:
            address = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{key_of(row)}/change/"
            assert client.get(address).status_code == 200, address
        for user in User.objects.all():
            for show in ("", "?show=everything"):
                assert client.get(page_of(user) + show).status_code == 200
        assert client.get("/admin/").status_code == 200


class TestRowActions:
    """What is done to rows of lists refuses whoever may not, and says so in the log."""

    def test_are_all_named_here(self) -> None:
        named = {
            (model._meta.label_lower, action.name)
            for model, page in admin.site._registry.items()
            for action in getattr(page, "row_actions", ())
        }
        assert named == set(ROW_ACTIONS)

    @pytest.mark.parametrize("role", [*ROLES, NO_ROLE])
    def test_are_for_whom_they_are_for(self, alice: User, role: str, caplog: Any) -> None:
        client = browser_of(role)
        live(alice, clock.now())
        make_others(alice, clock.now())
        refused = 0
        for (label, name), allowed in ROW_ACTIONS.items():
            row = apps.get_model(label)._default_manager.filter(**ROWS_TRIED.get(label, {})).order_by("pk").last()
            assert row is not None
            address = f"/admin/{label.replace('.', '/')}/do/{name}/?row={row.pk}"
            before = StaffAction.objects.count()
            answers = {client.get(address).status_code, client.post(address, WHY).status_code}
            if role in allowed:
                assert answers == {200, 302}, address
                for written in StaffAction.objects.order_by("pk")[before:]:
                    assert (written.actor.email, written.address) == (f"{role.lower()}@staff.test", "127.0.0.1")
                    assert {"reason": written.reason, "note": written.note} == WHY
                    assert written.reference_id
                    assert written.before
            else:
                assert answers == {403}, address
                assert StaffAction.objects.count() == before
                refused += 2
        assert caplog.text.count("'event': 'Refused a staff action'") == refused


class TestServices:
    """Every service that staff call asks for the right itself: a page that forgot to ask opens nothing."""

    def test_are_all_named_here(self) -> None:
        found = {
            function
            for module in (services, credits_services, media_services, users_services, jobs)
            for _, function in inspect.getmembers(module, inspect.isfunction)
            if "staff" in inspect.signature(function).parameters
        }
        assert found == set(SERVICES)

    @pytest.mark.parametrize("role", [*ROLES, NO_ROLE])
    def test_refuse_and_log_who_may_not(self, alice: User, role: str, caplog: Any) -> None:
        browser_of(role)
        staff = users_services.Staff(User.objects.get(email=f"{role.lower()}@staff.test"), "127.0.0.1", **WHY)
        self.planned_rate()
        before = self.count_rows()
        refused = [service for service, allowed in SERVICES.items() if allowed is not None and role not in allowed]
        for service in refused:
            with pytest.raises(users_services.NotPermitted):
                service(staff=staff, **self.arguments_of(service, alice))
        assert self.count_rows() == before
        assert caplog.text.count("'event': 'Refused a staff action'") == len(refused)

    @pytest.mark.parametrize("is_staff", [True, False], ids=["deactivated", "no staff any more"])
    def test_refuse_whose_rights_are_of_yesterday(self, alice: User, is_staff: bool) -> None:
        agent = make_user("former@staff.test", is_staff=is_staff, is_active=not is_staff)
        agent.user_permissions.set(Permission.objects.all())
        staff = users_services.Staff(agent, "127.0.0.1", **WHY)
        for service, allowed in SERVICES.items():
            if allowed is not None:
                with pytest.raises(users_services.NotPermitted):
                    service(staff=staff, **self.arguments_of(service, alice))

    def planned_rate(self) -> Rate:
        begins_at = clock.now() + timedelta(days=1)
        unit = {"unit": "image", "base_credits": 2, "effective_from": begins_at}
        return Rate.objects.get_or_create(operation="image_generation", model_id="new", defaults=unit)[0]

    def count_rows(self) -> int:
        return StaffAction.objects.count() + Rate.objects.count() + Package.objects.count()

    def arguments_of(self, service: Callable[..., Any], person: User) -> dict[str, Any]:
        """Return arguments of the right kind: of things that there are, where a right depends on them."""
        given: dict[str, Any] = {"user": person, "account_id": person.pk}
        given["row"] = given["package"] = Package.objects.get(pk="starter")
        given["plan"], given["rate"] = Plan.objects.first(), self.planned_rate()
        if service is users_services.revoke_key_by_staff:
            given["key_id"] = make_key(person).pk
        if service is users_services.delete_by_staff:
            given["row"] = given["rate"]
        kinds: dict[Any, Any] = {UUID: uuid4(), datetime: clock.now(), Decimal: Decimal(5), str: "x", bool: True}
        wanted = inspect.signature(service, eval_str=True).parameters.values()
        return {
            parameter.name: given.get(parameter.name, kinds.get(parameter.annotation, 1))
            for parameter in wanted
            if parameter.name != "staff"
        }


class TestPersonActions:
    """Actions on a person's page: all of them are tried by every role in the tests of actions."""

    def test_are_all_named_there(self) -> None:
        assert {filled.name: filled.call.right for filled in backoffice.actions}.keys() == ACTIONS.keys()

    @pytest.mark.parametrize("action", ACTIONS)
    def test_refuse_who_has_no_role(self, alice: User, action: str) -> None:
        client = browser_of(NO_ROLE)
        assert client.get(page_of(alice, action), {"target": "x"}).status_code == 403
        assert client.post(page_of(alice, action), {**WHY, "target": "x", "confirm": "1"}).status_code == 403
