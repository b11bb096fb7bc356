"""People, their addresses, devices and keys in the admin; who of the staff may do what."""

from typing import Any, ClassVar

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from smartspec import clock
from smartspec.admin import (
    PlainAdmin,
    ReadOnlyAdmin,
    UserSearchMixin,
    badge_column,
    column,
    find_user_ids,
    user_column,
)
from smartspec.admin.actions import RowAction, RowActionsMixin, staff_of
from smartspec.backoffice import ReasonForm
from smartspec.users import selectors, services
from smartspec.users.backoffice import KEY_COLOURS
from smartspec.users.models import ApiKey, SentMail, StaffAction, User

# Staff come in by the product's own log-in, which counts attempts; who is no staff gets 403.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# allauth's own pages let staff confirm an address by hand, and show the secrets of second factors.
for model in (Group, EmailAddress, UserSession, Authenticator):
    admin.site.unregister(model)


class EmailInline(TabularInline):
    model = EmailAddress
    fields = ("email", "primary", "verified")
    readonly_fields = fields
    can_delete = False
    max_num = 0
    extra = 0


class UserForm(ReasonForm, forms.ModelForm):
    """What may be changed of a person, and why."""

    class Meta:
        model = User
        fields = ("name", "is_active", *services.RIGHTS)
        widgets: ClassVar = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}


class RoleFilter(admin.RelatedFieldListFilter):
    """Users by role, but not those without one: they are nearly all, and no index finds them."""

    include_empty_choice = False


@admin.register(User)
class UserAdmin(UserSearchMixin, PlainAdmin):
    """Names, and whether a person may log in; rights by superusers alone. People change their e-mail themselves."""

    search_fields = ("email", "name")
    search_help_text = "E-mail, name or id. At most 10,000 rows are listed."
    role = badge_column(
        lambda user: "superuser" if user.is_superuser else "staff" if user.is_staff else "",
        "Role",
        {"superuser": "danger", "staff": "primary"},
    )
    state = badge_column(
        lambda user: "active" if user.is_active else "deactivated",
        "State",
        {"active": "success", "deactivated": "danger"},
        "is_active",
    )
    list_display = ("email", "name", state, role, "created_at", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", ("groups", RoleFilter))
    ordering = ("-created_at",)
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "is_active", "created_at", "last_login")}),
        ("Rights", {"fields": services.RIGHTS}),
        ("Why it is changed", {"fields": ("reason", "note")}),
    )
    form = UserForm
    inlines = (EmailInline,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=find_user_ids(term)) if term else queryset), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever only looks is not asked for a reason."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if self.has_change_permission(request, obj) else fieldsets[:-1]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save by the service; what Django does about the roles thereafter finds them as they shall be."""
        answers = form.cleaned_data
        changes = {name: answers[name] for name in form.changed_data if name in UserForm.Meta.fields}
        staff = staff_of(request, reason=answers["reason"], note=answers["note"])
        try:
            services.change_person_by_staff(staff=staff, user=obj, changes=changes, now=clock.now())
        except services.NotPermitted as refusal:
            raise PermissionDenied(refusal.detail) from refusal

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people sign up; `manage.py createsuperuser` makes the first administrator

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the ledger and the invoices of a person outlive the wish to be gone

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return may_change and (obj is None or bool(services.changeable_fields(staff_of(request), obj)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        changeable = services.changeable_fields(staff_of(request), obj) if obj else ()
        kept = (name for name in UserForm.Meta.fields if name not in changeable)
        return ("id", "email", "created_at", "last_login", *kept)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """The roles, as `manage.py sync_roles` makes them; people get them on their pages. Superusers look at them."""

    search_fields = ("name",)
    rights = column(lambda group: ", ".join(names_of_rights(group)), "Rights")
    list_display = ("name",)
    list_filter = ()
    fields = ("name", rights)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)


def revoke(key: ApiKey, staff: services.Staff) -> str:
    revoked = services.revoke_key_by_staff(staff=staff, key_id=key.pk, now=clock.now())
    return f"{revoked} is revoked: calls with it are refused from now on."


@admin.register(ApiKey)
class ApiKeyAdmin(RowActionsMixin, UserSearchMixin, ReadOnlyAdmin):
    """Keys by what may be known of them. Their digest is shown nowhere; revoking wants a reason, cannot be undone."""

    search_fields = ("prefix", "name")
    person = user_column()
    scope_list = column(lambda key: ", ".join(key.scopes), "Scopes")
    state = badge_column(lambda key: selectors.key_state(key=key, now=clock.now()), "State", KEY_COLOURS)
    list_display = (
        "prefix",
        "name",
        person,
        scope_list,
        state,
        "created_at",
        "last_used_at",
        "expires_at",
    )
    list_filter = (("user", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    ordering = ("-created_at", "-id")
    fields = (
        "prefix",
        "name",
        person,
        scope_list,
        state,
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    row_actions = (
        RowAction(
            name="revoke",
            title="Revoke",
            right="users.revoke_key",
            sentence="Calls with it are refused from now on, and whatever uses it stops working. It cannot be undone.",
            perform=revoke,
            is_offered=lambda key: key.revoked_at is None,
        ),
    )


@admin.register(UserSession)
class UserSessionAdmin(UserSearchMixin, ReadOnlyAdmin):
    """Where people are logged in. The session's key is the person's token, and is shown nowhere."""

    search_fields = ("user",)
    person = user_column()
    device = column(lambda session: session.user_agent[:80], "Device")
    address = column(lambda session: session.ip, "Address")
    list_display = (address, person, device, "created_at", "last_seen_at")
    list_select_related = ("user",)
    ordering = ("-id",)
    fields = (person, "user_agent", address, "created_at", "last_seen_at")


@admin.register(SentMail)
class SentMailAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("cause",)
    person = user_column()
    has_left = column(selectors.mail_state, "Left")
    list_display = ("id", person, "template", "cause", "sent_at", has_left)
    list_select_related = ("user", "waiting")
    ordering = ("-id",)
    fields = (person, "template", "cause", "sent_at", has_left)


@admin.register(StaffAction)
class StaffActionAdmin(UserSearchMixin, ReadOnlyAdmin):
    """What staff did: append-only, for everybody to see."""

    user_field = "whom"
    search_fields = ("reference_id",)
    search_help_text = "E-mail, name or id of whom it was done to, or the id of what. At most 10,000 rows are listed."
    person = user_column("whom", "Whom")
    who = user_column("actor", "Who")
    did = column(lambda done: done.action.replace("_", " "), "What")
    list_display = ("created_at", who, did, person, "reason", "note", "address")
    list_filter = ("action", "reason", "created_at")
    list_select_related = ("actor", "whom")
    ordering = ("-created_at", "-id")
    fields = (
        *("created_at", who, "address", did, person, "reference_type", "reference_id", "reason", "note"),
        *("before", "after"),
    )


def names_of_rights(group: Group) -> list[str]:
    rights = group.permissions.values_list("content_type__app_label", "codename")
    return sorted(f"{app_label}.{codename}" for app_label, codename in rights)


def is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
