"""What coupons take off each line."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing.sandbox.services.discounts.redeeming import Active

Data = dict[str, Any]


def spread(coupon: Data, priced: list[tuple[str, int]]) -> list[int]:
    """This will share a coupon's discount out over products and their amounts in cents.

    What the coupon is not for gets nothing; the rounding is on the last that gets something.
    """
    amounts = [amount if _is_for(coupon, product) else 0 for product, amount in priced]
    total = sum(amounts)
    if not total:
        return [0] * len(amounts)
    if coupon["percent_off"] is not None:
        share = Decimal(str(coupon["percent_off"])) / 100
        discount = int((total * share).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    else:
        discount = min(total, coupon["amount_off"])
    parts = [discount * amount // total for amount in amounts]
    last = max(index for index, amount in enumerate(amounts) if amount)
    parts[last] += discount - sum(parts)
    return parts


def discount_lines(active: list[Active], lines: list[Data]) -> list[Data]:
    """This will return the arguments of invoice lines with what the discounts take off, one after the other.

    Prorations are left alone: their amounts include discounts.
    """
    discounted = [dict(line) for line in lines]
    for one in active:
        open_lines = [line for line in discounted if line["amount"] > 0 and not _is_proration(line)]
        left = [
            (product_of(line), line["amount"] - sum(part["amount"] for part in line.get("discount_amounts") or []))
            for line in open_lines
        ]
        for line, part in zip(open_lines, spread(one.coupon, left), strict=True):
            if part:
                line["discount_amounts"] = [
                    *(line.get("discount_amounts") or []),
                    {"amount": part, "discount": one.id},
                ]
    return discounted


def product_of(line: Data) -> str:
    """This will return the product that a line sells, or an empty string."""
    return str(line["price"]["product"]) if line["price"] else ""


def _is_for(coupon: Data, product: str) -> bool:
    only = coupon.get("products")
    return not only or product in only


def _is_proration(line: Data) -> bool:
    parent = line["parent"] or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return bool(details.get("proration"))
