from decimal import Decimal
from typing import Any

from billing.sandbox import ids


def new_product(*, name: str, now: int, product_id: str | None = None) -> dict[str, Any]:
    return {
        "id": product_id or ids.new_id("product"),
        "object": "product",
        "active": True,
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }


def new_price(
    *,
    product: str,
    currency: str,
    unit_amount: int | None,
    now: int,
    price_id: str | None = None,
    unit_amount_decimal: str | None = None,
    recurring: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`unit_amount` in cents; `recurring` as the API takes it (interval, interval_count…), or None for one time."""
    return {
        "id": price_id or ids.new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "trial_period_days": recurring.get("trial_period_days"),
            "usage_type": recurring.get("usage_type", "licensed"),
        }
        if recurring
        else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": unit_amount_decimal or str(unit_amount),
    }


def plan_of(price: dict[str, Any]) -> dict[str, Any]:
    """The older `plan` object that subscription items still carry beside their price."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def new_product_feature(*, feature: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ids.new_id("product_feature"),
        "object": "product_feature",
        "entitlement_feature": feature,
        "livemode": False,
    }


def amount_of(price: dict[str, Any], quantity: int) -> int:
    """What so many of this price cost, in cents, rounded half up."""
    unit = Decimal(price["unit_amount_decimal"] or price["unit_amount"])
    return int((unit * quantity).quantize(Decimal(1), rounding="ROUND_HALF_UP"))
