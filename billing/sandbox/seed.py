"""What the sandbox's account holds from the start: itself, the plans' products and prices, the webhook endpoint."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import store
from billing.sandbox.objects import account as account_objects
from billing.sandbox.services import endpoints, products

ACCOUNT_ID = "acct_1SmartSpecSandbox"
ENDPOINT_ID = "we_1SmartSpecSandbox"

# plan, its product's name, cents a month, cents a year: what the plans of credits cost
PLANS = (
    ("pro", "SmartSpec Pro: Pro", 2900, 29000),
    ("enterprise", "SmartSpec Pro: Enterprise", 19900, 199000),
)
INTERVALS = (("monthly", "month"), ("yearly", "year"))


@transaction.atomic
def seed(now: datetime, webhook_url: str) -> None:
    """This will create what is missing and point the webhook endpoint at `webhook_url`; safe to run at every start."""
    if store.find_any(ACCOUNT_ID) is None:
        account = account_objects.new_account(
            account_id=ACCOUNT_ID,
            name="SmartSpec Pro",
            email="billing@smartspec.test",
            url=settings.SITE_URL,
            now=store.timestamp(now),
        )
        store.add(account)
    for plan, name, monthly, yearly in PLANS:
        _seed_plan(plan, name, (monthly, yearly), now=now)
    _seed_endpoint(webhook_url, now=now)


def _seed_plan(plan: str, name: str, cents: tuple[int, int], *, now: datetime) -> None:
    product_id = f"prod_smartspec_{plan}"
    if store.find_any(product_id) is None:
        products.create_product({"id": product_id, "name": name, "metadata": {"plan": plan}}, now=now)
    for (interval, stripe_interval), amount in zip(INTERVALS, cents, strict=True):
        key = f"smartspec_{plan}_{interval}"
        if store.find_any(f"price_{key}") is None:
            params: dict[str, Any] = {
                "product": product_id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": stripe_interval},
                "lookup_key": key,
                "metadata": {"smartspec_plan": plan, "smartspec_interval": interval},
            }
            products.create_price(params, now=now, price_id=f"price_{key}")


def _seed_endpoint(webhook_url: str, *, now: datetime) -> None:
    secret = settings.STRIPE_WEBHOOK_SECRETS[0]
    if store.find_any(ENDPOINT_ID) is None:
        params = {"url": webhook_url, "enabled_events": ["*"], "description": "This server"}
        endpoints.create_endpoint(params, now=now, secret=secret, endpoint_id=ENDPOINT_ID)
        return
    endpoints.update_endpoint(ENDPOINT_ID, {"url": webhook_url}, now=now)
    store.set_private(ENDPOINT_ID, secret=secret)
