"""System checks: what is wrong with the payment settings, without calling Stripe. `setup_stripe` compares prices."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from billing.selectors import origin

SANDBOX_SECRET = "whsec_sandbox"  # noqa: S105 - stands in the code for everybody to read


@register(Tags.security, deploy=False)
def check_payment_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A server that has a key needs the rest as well; a live key has no business on a test machine."""
    if not settings.STRIPE_SECRET_KEY:
        if not settings.PRODUCTION:
            return []
        return [
            Warning(
                "STRIPE_SECRET_KEY is not set: every payment endpoint answers 503.",
                hint="Set STRIPE_SECRET_KEY, then run manage.py setup_stripe.",
                id="billing.W001",
            )
        ]
    messages: list[CheckMessage] = []
    if not settings.STRIPE_PUBLISHABLE_KEY:
        messages.append(
            Warning("STRIPE_PUBLISHABLE_KEY is not set: the app cannot show Stripe's forms.", id="billing.W002")
        )
    elif ("_live_" in settings.STRIPE_PUBLISHABLE_KEY) is not settings.STRIPE_LIVE_MODE:
        messages.append(
            Error("STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY are of different modes.", id="billing.E001")
        )
    if not settings.STRIPE_WEBHOOK_SECRETS:
        messages.append(
            Error(
                "STRIPE_WEBHOOK_SECRET is not set: no webhook can be accepted.",
                hint="manage.py setup_stripe creates the endpoint and prints its secret.",
                id="billing.E002",
            )
        )
    if settings.PRODUCTION and not all(
        secret.startswith("whsec_") and secret != SANDBOX_SECRET for secret in settings.STRIPE_WEBHOOK_SECRETS
    ):
        messages.append(
            Error(
                "STRIPE_WEBHOOK_SECRET must be what Stripe made for the endpoint, whsec_…: whoever knows another could"
                " tell of payments that nobody made.",
                hint="manage.py setup_stripe prints it; so does the endpoint's page at Stripe.",
                id="billing.E006",
            )
        )
    missing = [
        f"STRIPE_PRICE_{plan}_{interval}".upper()
        for (plan, interval), price in settings.STRIPE_PRICES.items()
        if not price
    ]
    if missing:
        messages.append(
            Warning(
                f"{', '.join(missing)} not set: these plans cannot be bought.",
                hint="manage.py setup_stripe creates the prices and prints these lines.",
                id="billing.W003",
            )
        )
    prices = [price for price in settings.STRIPE_PRICES.values() if price]
    if len(set(prices)) < len(prices):
        sentence = "Two of STRIPE_PRICE_… are the same: each interval of each plan has its own."
        messages.append(Error(sentence, id="billing.E007"))
    if settings.STRIPE_LIVE_MODE and not settings.SITE_URL.startswith("https://"):
        messages.append(Error("Stripe's live mode needs SMARTSPEC_SITE_URL to be https.", id="billing.E003"))
    return messages


@register(Tags.database)
def check_database_belongs_to_this_stripe(databases: Any, **kwargs: Any) -> list[CheckMessage]:
    """Sandbox and real account never share a database: customers, prices and keys of one mean nothing to the other."""
    if "default" not in (databases or []):
        return []
    if settings.STRIPE_SANDBOX and origin.has_seen_real_stripe():
        return [
            Error(
                "This database holds customers of a real Stripe account, but STRIPE_SECRET_KEY is not set.",
                hint="Set the key of that account, or use a fresh database for the sandbox.",
                id="billing.E004",
            )
        ]
    if not settings.STRIPE_SANDBOX and settings.STRIPE_SECRET_KEY and origin.has_seen_sandbox():
        return [
            Error(
                "This database has been used with the Stripe sandbox; it cannot be used with STRIPE_SECRET_KEY.",
                hint="Use a fresh database for the real account.",
                id="billing.E005",
            )
        ]
    return []
