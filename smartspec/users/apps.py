from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register, registry
from django.db.models.signals import post_migrate


class UsersConfig(AppConfig):
    name = "smartspec.users"
    label = "users"

    def ready(self) -> None:
        from smartspec import checks  # noqa: F401 - registers itself
        from smartspec.users import openapi, records, roles  # noqa: F401 - openapi registers itself

        replace_account_check()
        keep_spaces_of_passwords()
        take_codes_once()
        records.connect()
        post_migrate.connect(roles.sync_roles_of_app, dispatch_uid="users.sync_roles")


def replace_account_check() -> None:
    """Register allauth's check of its settings without the one sentence that does not hold here.

    allauth says that codes need mandatory verification, because whoever leaves before entering the code has to ask for
    another. Here the app asks for one by `PUT account/email`, whenever the person likes (test_accounts shows it).
    """
    from allauth.account import checks

    def account_settings_check(app_configs: Any, **options: Any) -> list[CheckMessage]:
        found = checks.settings_check(app_configs, **options)
        return [message for message in found if "VERFICATION_BY_CODE requires" not in message.msg]

    registry.registry.registered_checks.discard(checks.settings_check)
    register(account_settings_check)


def keep_spaces_of_passwords() -> None:
    """Let the app's endpoints take a password as it was typed.

    allauth's pages do; its endpoints would cut spaces off both ends, and refuse in the app what was set on a page.
    """
    from allauth.headless.account import inputs

    for kind in (inputs.SignupInput, inputs.LoginInput, inputs.ResetPasswordInput, inputs.ChangePasswordInput):
        for name, field in kind.base_fields.items():
            if "password" in name:
                field.strip = False


def take_codes_once() -> None:
    """Let the code of an authenticator app serve once, on the pages and at the app's endpoints."""
    from allauth.mfa.totp.internal.auth import TOTP

    from smartspec.users.staff_login import take_code_once

    TOTP._mark_code_used = take_code_once
