"""Keeping products, prices, the webhook endpoint and the portal at Stripe as this project needs them."""

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.urls import reverse

from billing import gateway, selectors, stripe_data
from billing.models import Interval
from credits import selectors as credits_selectors

# Told apart from configurations that somebody made by hand.
MARK = {"smartspec": "1"}
STRIPE_INTERVALS = {Interval.MONTHLY: "month", Interval.YEARLY: "year"}
# Mirrored for staff, though no effect hangs on them.
MIRRORED_EVENTS = (
    "charge.succeeded",
    "customer.created",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.updated",
    "invoice.voided",
    "payment_intent.payment_failed",
    "payment_method.attached",
    "payment_method.detached",
)


@dataclass
class Setup:
    """What was done (or with `is_dry_run` would be), and the environment lines that result."""

    is_dry_run: bool
    actions: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def do(self, action: str, operation: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        self.actions.append(action)
        return None if self.is_dry_run else operation()


def set_up_stripe(*, handled_events: Collection[str], is_dry_run: bool) -> Setup:
    """This will create at Stripe what is missing and change what differs. A second run does nothing.

    `handled_events` are the types on which effects hang.

    :raises gateway.PaymentsNotConfigured: there is no key, or a wrong one.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    setup = Setup(is_dry_run=is_dry_run)
    product_ids = ensure_products(setup)
    ensure_prices(setup, product_ids)
    ensure_webhook_endpoint(setup, sorted({*handled_events, *MIRRORED_EVENTS}))
    ensure_portal(setup, product_ids)
    return setup


def paid_plans() -> list[Any]:
    return [plan for plan in credits_selectors.list_plans() if plan.price_monthly_cents]


def plan_cents(plan: Any, interval: str) -> int:
    return int(plan.price_monthly_cents if interval == Interval.MONTHLY else plan.price_yearly_cents)


def ensure_products(setup: Setup) -> dict[str, str]:
    """Return the product ids by plan: that of the price in use, else one of our own naming."""
    ids: dict[str, str] = {}
    for plan in paid_plans():
        ids[plan.slug] = product_id_in_use(plan.slug) or f"{selectors.LOOKUP_KEY_PREFIX}_{plan.slug}"
        try:
            gateway.retrieve_product(ids[plan.slug])
        except gateway.StripeObjectMissing:
            values = {"id": ids[plan.slug], "name": f"SmartSpec {plan.display_name}", "metadata": MARK}
            setup.do(f"create product {ids[plan.slug]}", lambda values=values: gateway.create_product(values))  # type: ignore[misc]
    return ids


def product_id_in_use(plan: str) -> str:
    keys = [selectors.lookup_key_of_plan(plan=plan, interval=interval) for interval in Interval.values]
    found = gateway.list_prices(keys)
    product = found[0]["product"] if found else ""
    return str(product if isinstance(product, str) else product["id"])


def ensure_prices(setup: Setup, product_ids: dict[str, str]) -> None:
    """Give every plan and interval a price. Prices cannot change: one that differs is replaced under its lookup key.

    Whoever subscribed at the old one goes on paying it, so it is told first which plan it stands for.
    """
    for plan in paid_plans():
        for interval in Interval.values:
            key = selectors.lookup_key_of_plan(plan=plan.slug, interval=interval)
            variable = f"STRIPE_PRICE_{plan.slug}_{interval}".upper()
            found = gateway.list_prices([key])
            label_prices(setup, plan.slug, interval, found)
            if found and price_fits(found[0], plan_cents(plan, interval), interval):
                setup.environment[variable] = found[0]["id"]
                continue
            values = {
                "product": product_ids[plan.slug],
                "currency": settings.STRIPE_CURRENCY,
                "unit_amount": plan_cents(plan, interval),
                "recurring": {"interval": STRIPE_INTERVALS[Interval(interval)]},
                "lookup_key": key,
                "transfer_lookup_key": True,
                "metadata": MARK | price_label(plan.slug, interval),
            }
            created = setup.do(
                f"{'replace' if found else 'create'} price {key}",
                lambda values=values: gateway.create_price(values),  # type: ignore[misc]
            )
            setup.environment[variable] = created["id"] if created else "(created by the real run)"


def label_prices(setup: Setup, plan: str, interval: str, found: list[dict[str, Any]]) -> None:
    """Have the prices in use, `found` by lookup key or named by the environment, say which plan they stand for."""
    prices = {price["id"]: price for price in (*found, *price_in_settings(plan, interval))}
    for price_id, price in prices.items():
        if stripe_data.PRICE_PLAN not in stripe_data.metadata(price):
            setup.do(
                f"label price {price_id}",
                lambda price_id=price_id: gateway.update_price(price_id, {"metadata": price_label(plan, interval)}),  # type: ignore[misc]
            )


def price_in_settings(plan: str, interval: str) -> list[dict[str, Any]]:
    """Return the price that the environment names, unless it is of another interval: then it is named by mistake."""
    price_id = settings.STRIPE_PRICES.get((plan, interval))
    if not price_id:
        return []
    try:
        price = gateway.retrieve_price(price_id)
    except gateway.StripeObjectMissing:
        return []
    recurring = price.get("recurring") or {}
    return [price] if recurring.get("interval") == STRIPE_INTERVALS[Interval(interval)] else []


def price_label(plan: str, interval: str) -> dict[str, str]:
    return {stripe_data.PRICE_PLAN: plan, stripe_data.PRICE_INTERVAL: interval}


def price_fits(price: dict[str, Any], cents: int, interval: str) -> bool:
    return bool(
        price["unit_amount"] == cents
        and price["currency"] == settings.STRIPE_CURRENCY
        and price["recurring"]["interval"] == STRIPE_INTERVALS[Interval(interval)]
        and price["recurring"]["interval_count"] == 1
    )


def ensure_webhook_endpoint(setup: Setup, events: list[str]) -> None:
    """Have Stripe send what we handle and mirror. The secret is told once, when the endpoint is created."""
    url = f"{settings.SITE_URL}{reverse('stripe-webhook')}"
    found = next((endpoint for endpoint in gateway.list_webhook_endpoints() if endpoint["url"] == url), None)
    if found is None:
        values = {"url": url, "enabled_events": events, "api_version": gateway.API_VERSION, "metadata": MARK}
        created = setup.do(f"create webhook endpoint {url}", lambda: gateway.create_webhook_endpoint(values))
        setup.environment["STRIPE_WEBHOOK_SECRET"] = created["secret"] if created else "(created by the real run)"
    elif found["enabled_events"] != ["*"] and set(events) - set(found["enabled_events"]):
        endpoint_id, wanted = found["id"], sorted({*events, *found["enabled_events"]})
        setup.do(
            f"add events to webhook endpoint {url}",
            lambda: gateway.update_webhook_endpoint(endpoint_id, {"enabled_events": wanted}),
        )


def ensure_portal(setup: Setup, product_ids: dict[str, str]) -> None:
    """Let the Customer Portal follow our rules: upgrades now, what would owe money back at period end.

    A digest in the configuration's metadata tells whether it was made from what we want now.
    """
    values = portal_values(setup, product_ids)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
    values["metadata"] = {**MARK, "digest": digest}
    found = next(
        (
            configuration
            for configuration in gateway.list_portal_configurations()
            if (configuration.get("metadata") or {}).get("smartspec") == MARK["smartspec"]
        ),
        None,
    )
    if found is not None:
        setup.environment["STRIPE_PORTAL_CONFIGURATION"] = found["id"]
        if found["metadata"].get("digest") != digest:
            configuration_id = found["id"]
            setup.do(
                "update portal configuration",
                lambda: gateway.update_portal_configuration(configuration_id, values),
            )
        return
    created = setup.do("create portal configuration", lambda: gateway.create_portal_configuration(values))
    setup.environment["STRIPE_PORTAL_CONFIGURATION"] = created["id"] if created else "(created by the real run)"


def portal_values(setup: Setup, product_ids: dict[str, str]) -> dict[str, Any]:
    products = [
        {
            "product": product_id,
            "prices": [
                setup.environment[f"STRIPE_PRICE_{plan}_{interval}".upper()]
                for interval in Interval.values
                if steps_down_late(plan, interval)
            ],
        }
        for plan, product_id in product_ids.items()
    ]
    return {
        "business_profile": {"headline": "SmartSpec Pro"},
        "features": {
            "customer_update": {"enabled": True, "allowed_updates": ["email", "name", "address", "tax_id"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {
                "enabled": True,
                "mode": "at_period_end",
                "proration_behavior": "none",
                "cancellation_reason": {
                    "enabled": True,
                    "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"],
                },
            },
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price"],
                "products": products,
                "proration_behavior": "always_invoice",
                "schedule_at_period_end": {
                    "conditions": [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
                },
            },
        },
    }


def steps_down_late(plan: str, interval: str) -> bool:
    """Tell whether the portal would let nobody on a higher plan change to this one before the paid period ends.

    It waits where the amount or the interval gets less. A year of a lower plan that costs more than a month of a higher
    one is neither, and would give back what was not used of credits that may all be spent: such a change is left to us.
    """
    order = {one.slug: number for number, one in enumerate(paid_plans())}
    intervals = list(STRIPE_INTERVALS)
    price_cents = {(one.slug, each): plan_cents(one, each) for one in paid_plans() for each in intervals}
    return not any(
        order[higher] > order[plan]
        and cents <= price_cents[plan, Interval(interval)]
        and intervals.index(other) <= intervals.index(Interval(interval))
        for (higher, other), cents in price_cents.items()
    )


@dataclass(frozen=True)
class PriceCheck:
    """A price in use, and how it is not what our plan costs; empty when they agree."""

    variable: str
    price_id: str
    difference: str


def check_prices(plan: Any) -> list[PriceCheck]:
    """Return the prices in use of a plan, each beside what Stripe says of it now. Changes nothing.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    checks = []
    for interval in Interval.values:
        price_id = settings.STRIPE_PRICES.get((plan.slug, interval))
        if not price_id:
            continue
        variable, cents = f"STRIPE_PRICE_{plan.slug}_{interval}".upper(), plan_cents(plan, interval)
        try:
            price = gateway.retrieve_price(price_id)
        except gateway.StripeObjectMissing:
            difference = f"{variable} names {price_id}, which does not exist at Stripe."
        else:
            if not price_fits(price, cents, interval):
                difference = (
                    f"{variable} ({price_id}) is {price['unit_amount']} {price['currency']} at Stripe,"
                    f" but the plan costs {cents} {settings.STRIPE_CURRENCY} {interval}."
                )
            elif stripe_data.PRICE_PLAN not in stripe_data.metadata(price):
                # Whoever buys at it could not be served once another is put in its place.
                difference = f"{variable} ({price_id}) does not say what it is for: run manage.py setup_stripe."
            else:
                difference = ""
        checks.append(PriceCheck(variable, price_id, difference))
    return checks


def compare_prices() -> list[str]:
    """Return a sentence for every price in use that is not what our plan costs; empty when all agree. Changes nothing.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    return [check.difference for plan in paid_plans() for check in check_prices(plan) if check.difference]
