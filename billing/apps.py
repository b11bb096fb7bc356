"""Billing: turns facts in Stripe into credits."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import checks, gateway  # noqa: F401  (checks register themselves)

        gateway.configure_library()
