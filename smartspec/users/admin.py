"""People, their addresses, devices and keys in the admin; who of the staff may do what."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

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
from smartspec.users import services
from smartspec.users.models import ApiKey, SentMail, StaffAction, User

RIGHTS = ("is_staff", "is_superuser", "groups")

# Staff come in by the product's own log-in, which counts attempts; who is no staff gets 403.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
for model in (Group, EmailAddress, UserSession):  # allauth's own let staff confirm an address by hand
    admin.site.unregister(model)


class EmailInline(TabularInline):
    model = EmailAddress
    fields = ("email", "primary", "verified")
    readonly_fields = fields
    can_delete = False
    max_num = 0
    extra = 0


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
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    ordering = ("-created_at",)
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "is_active", "created_at", "last_login")}),
        ("Rights", {"fields": RIGHTS}),
    )
    filter_horizontal = ("groups",)
    inlines = (EmailInline,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=find_user_ids(term)) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people sign up; `manage.py createsuperuser` makes the first administrator

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the ledger and the invoices of a person outlive the wish to be gone

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever is no superuser leaves staff alone: a name could impersonate, a deactivation lock out."""
        if obj is not None and obj.is_staff and not is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = ("id", "email", "created_at", "last_login")
        if not is_superuser(request):
            return (*fixed, *RIGHTS)
        # Nobody locks themselves out, or is talked into it.
        return (*fixed, *RIGHTS, "is_active") if obj == request.user else fixed


@admin.register(Group)
class GroupAdmin(PlainAdmin):
    """The roles, as `manage.py sync_roles` makes them. They are looked at here and given to people on their pages."""

    list_display = ("name",)
    search_fields = ("name",)
    filter_horizontal = ("permissions",)
    list_filter = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)


@admin.register(ApiKey)
class ApiKeyAdmin(UserSearchMixin, ReadOnlyAdmin):
    """Keys by what may be known of them. Their digest is shown nowhere; revoking asks back and cannot be undone."""

    search_fields = ("prefix", "name")
    person = user_column()
    scope_list = column(lambda key: ", ".join(key.scopes), "Scopes")
    state = badge_column(
        lambda key: key_state(key), "State", {"live": "success", "revoked": "danger", "expired": "warning"}
    )
    list_display = (
        "prefix",
        "name",
        person,
        scope_list,
        state,
        "created_at",
        "last_used_at",
        "expires_at",
        "revoke_link",
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
        "revoke_link",
    )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("users.change_apikey")

    def get_urls(self) -> list[URLPattern]:
        revoke = path("<uuid:key_id>/revoke/", self.admin_site.admin_view(self.revoke_view), name="users_apikey_revoke")
        return [revoke, *super().get_urls()]

    @admin.display(description="Revoke")
    def revoke_link(self, key: ApiKey) -> SafeString | None:
        if key.revoked_at is not None:
            return None
        return format_html(
            '<a class="text-link" href="{}">Revoke …</a>', reverse("admin:users_apikey_revoke", args=[key.pk])
        )

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return self.without_revoking(request, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        return self.without_revoking(request, super().get_fields(request, obj))

    def without_revoking(self, request: HttpRequest, names: Any) -> tuple[Any, ...]:
        return tuple(name for name in names if name != "revoke_link" or self.has_revoke_permission(request))

    def revoke_view(self, request: HttpRequest, key_id: Any) -> HttpResponse:
        """This will ask whether a key shall end, and end it."""
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        key = self.get_object(request, str(key_id))
        if key is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(key_id))
        if request.method == "POST":
            try:
                if key.user is None:
                    services.revoke_service_key(prefix_or_name=key.prefix, now=clock.now())
                else:
                    services.revoke_user_key(user=key.user, key_id=key.pk, now=clock.now())
            except services.UnknownKey:
                messages.info(request, f"{key} had been revoked already.")
            else:
                self.log_change(request, key, "Revoked.")
                messages.success(request, f"{key} is revoked: calls with it are refused from now on.")
            return HttpResponseRedirect(reverse("admin:users_apikey_changelist"))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "key": key, "title": f"Revoke {key}"}
        return TemplateResponse(request, "admin/users/apikey/revoke.html", context)


@admin.register(UserSession)
class UserSessionAdmin(UserSearchMixin, ReadOnlyAdmin):
    """Where people are logged in. The session's key is the person's token, and is shown nowhere."""

    search_fields = ("user",)
    person = user_column()
    device = column(lambda session: session.user_agent[:80], "Device")
    list_display = ("id", person, device, "ip", "created_at", "last_seen_at")
    list_select_related = ("user",)
    ordering = ("-id",)
    fields = (person, "user_agent", "ip", "created_at", "last_seen_at")


@admin.register(SentMail)
class SentMailAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("cause",)
    person = user_column()
    list_display = ("id", person, "template", "cause", "sent_at")
    list_select_related = ("user",)
    ordering = ("-id",)
    fields = (person, "template", "cause", "sent_at")


@admin.register(StaffAction)
class StaffActionAdmin(UserSearchMixin, ReadOnlyAdmin):
    """What staff did: append-only, for everybody to see."""

    user_field = "whom"
    search_fields = ("reference_id",)
    search_help_text = "E-mail, name or id of whom it was done to, or the id of what. At most 10,000 rows are listed."
    person = user_column("whom", "Whom")
    who = column(lambda done: done.actor, "Who")
    did = column(lambda done: done.action.replace("_", " "), "What")
    list_display = ("created_at", who, did, person, "reason", "note", "address")
    list_filter = ("action", "reason", "created_at")
    list_select_related = ("actor", "whom")
    ordering = ("-created_at", "-id")
    fields = (
        *("created_at", who, "address", did, person, "reference_type", "reference_id", "reason", "note"),
        *("before", "after"),
    )


def is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def key_state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= clock.now() else "live"
