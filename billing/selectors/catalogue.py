"""What is for sale, and at which price."""

from typing import Any

from django.conf import settings

from billing import gateway, pricing, stripe_data
from billing.models import Package

LOOKUP_KEY_PREFIX = "smartspec"
PAID_PLANS = ("pro", "enterprise")  # from less to more


def list_packages() -> list[Package]:
    """Return the packages for sale, in their order."""
    return list(Package.objects.filter(is_active=True).order_by("position", "id"))


def get_quote(*, credits_amount: int) -> pricing.Quote:
    """Return exactly what a checkout for `credits_amount` credits would charge and give now."""
    return pricing.quote(credits_amount=credits_amount, packages=list_packages(), currency=settings.STRIPE_CURRENCY)


def price_id_of_plan(*, plan: str, interval: str) -> str:
    """Return Stripe's price id of a plan.

    :raises gateway.PaymentsNotConfigured: the environment names none.
    """
    price_id: str = settings.STRIPE_PRICES.get((plan, interval), "")
    if not price_id:
        raise gateway.PaymentsNotConfigured(f"The plan {plan} ({interval}) is not for sale on this server yet.")
    return price_id


def plan_of_price(*, price_id: str, price: dict[str, Any] | None = None) -> tuple[str, str] | None:
    """Return the (plan, interval) that a price stands for: by its id, if it is in use; else by what Stripe's `price`
    says of itself, for who bought at a price that has since been replaced keeps it. None for somebody else's."""
    for plan_and_interval, known_id in settings.STRIPE_PRICES.items():
        if known_id == price_id:
            return (plan_and_interval[0], plan_and_interval[1])
    return None if price is None else plan_named_by_price(price=price)


def plan_named_by_price(*, price: dict[str, Any]) -> tuple[str, str] | None:
    """Return the (plan, interval) that a price names in its metadata, or by the lookup key that the one in use has."""
    told = stripe_data.metadata(price)
    named = (told.get(stripe_data.PRICE_PLAN, ""), told.get(stripe_data.PRICE_INTERVAL, ""))
    for plan, interval in settings.STRIPE_PRICES:
        if named == (plan, interval) or price.get("lookup_key") == lookup_key_of_plan(plan=plan, interval=interval):
            return plan, interval
    return None


def lookup_key_of_plan(*, plan: str, interval: str) -> str:
    """Return the name under which `setup_stripe` keeps the current price of a plan at Stripe."""
    return f"{LOOKUP_KEY_PREFIX}_{plan}_{interval}"
