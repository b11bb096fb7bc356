from typing import Any

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    name = "credits"
    verbose_name = "Credits"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give Free's credits at the moment when an address is verified."""
        from allauth.account.signals import email_changed, email_confirmed

        email_confirmed.connect(give_on_confirmation, dispatch_uid="credits.give_on_confirmation")
        email_changed.connect(give_on_change, dispatch_uid="credits.give_on_change")


def give_on_confirmation(*, email_address: Any, **_: Any) -> None:
    """Receive allauth's signal: an address was verified."""
    _give_allowances(email_address.user_id)


def give_on_change(*, user: Any, **_: Any) -> None:
    """Receive allauth's signal: another address, perhaps a verified one, is the user's own now."""
    _give_allowances(user.pk)


def _give_allowances(account_id: Any) -> None:
    from credits import services
    from smartspec import clock

    services.give_allowances(account_id=account_id, now=clock.now())
