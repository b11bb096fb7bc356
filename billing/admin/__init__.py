"""What is sold, what was bought, and what Stripe told us: one file per noun."""

from django.contrib import admin


def unregister_djstripe() -> None:
    """Take dj-stripe's own pages out of the admin: there any staff could cancel subscriptions, without the right to."""
    for model in list(admin.site._registry):
        if model._meta.app_label == "djstripe":
            admin.site.unregister(model)


unregister_djstripe()

from billing.admin import (  # noqa: E402 - what replaces dj-stripe's pages comes after they are gone
    customers,
    invoices,
    money_back,
    packages,
    purchases,
    reconcile,
    subscriptions,
    webhooks,
)

__all__ = [
    "customers",
    "invoices",
    "money_back",
    "packages",
    "purchases",
    "reconcile",
    "subscriptions",
    "webhooks",
]
