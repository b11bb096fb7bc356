"""Coupons and promotion codes: made, redeemed, and taken off what is sold."""

from billing.sandbox.services.discounts.coupons import (
    create_coupon,
    delete_coupon,
    lapse_coupon,
    update_coupon,
)
from billing.sandbox.services.discounts.promotion_codes import (
    create_promotion_code,
    find_by_code,
    lapse_promotion_code,
    update_promotion_code,
)
from billing.sandbox.services.discounts.redeeming import (
    Active,
    Order,
    find_given,
    get_active,
    note_redemption,
    record_discount,
    require_redeemable,
)
from billing.sandbox.services.discounts.spreading import discount_lines, spread

__all__ = [
    "Active",
    "Order",
    "create_coupon",
    "create_promotion_code",
    "delete_coupon",
    "discount_lines",
    "find_by_code",
    "find_given",
    "get_active",
    "lapse_coupon",
    "lapse_promotion_code",
    "note_redemption",
    "record_discount",
    "require_redeemable",
    "spread",
    "update_coupon",
    "update_promotion_code",
]
