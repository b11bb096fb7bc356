"""Redeeming a coupon, by itself or by a promotion code, for something that is bought.

https://docs.stripe.com/payments/checkout/discounts and /billing/subscriptions/coupons
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid
from billing.sandbox.objects import discount as discount_objects
from billing.sandbox.services.discounts import coupons, promotion_codes

Data = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What a discount is wanted for: who buys, and in which currency.

    `due` is what would be paid at once without it, in cents, or None where that is not known yet: a subscription that
    is changed. `products` are those that are bought, where a coupon must be for one of them.
    """

    customer: str | None
    currency: str
    due: int | None
    products: frozenset[str] | None = None


@dataclass(frozen=True)
class Active:
    """A discount that an invoice gets: its id, its coupon as it was when it was given, and when it ends."""

    id: str
    coupon: Data
    end: int | None = None


def find_given(given: Data, *, order: Order, now: datetime, index: int = 0) -> tuple[Data, str | None]:
    """This will return the coupon, and the promotion code's id if that was named, of one of a request's `discounts`.

    :raises ResourceMissing: for an unknown coupon or code.
    :raises ParameterInvalid: for one that cannot be redeemed for this order.
    """
    if code_id := given.get("promotion_code"):
        param = f"discounts[{index}][promotion_code]"
        promotion_code = store.get("promotion_code", code_id, param=param, status=400)
        return require_redeemable(promotion_code, order=order, param=param, now=now), code_id
    param = f"discounts[{index}][coupon]"
    coupon = coupons.read_coupon(given.get("coupon", ""), param=param)
    _require_coupon(coupon, order=order, param=param, now=now)
    return coupon, None


def require_redeemable(promotion_code: Data, *, order: Order, param: str, now: datetime) -> Data:
    """This will return the coupon of a promotion code that may be redeemed for an order.

    :raises ParameterInvalid: when it may not: it or its coupon is over, is another customer's, or the order does not
        fulfil its restrictions. Codes and sentences are Stripe's where Stripe's are known.
    """
    if promotion_codes.is_over(promotion_code, now=now) or not promotion_code["active"]:
        raise ParameterInvalid(param, "This promotion code has expired.", code="promotion_code_expired")
    if promotion_code["customer"] and promotion_code["customer"] != order.customer:
        raise ParameterInvalid(
            param,
            "This promotion code cannot be redeemed because it belongs to another customer.",
            code="promotion_code_customer_mismatch",
        )
    restrictions = promotion_code["restrictions"]
    if restrictions["first_time_transaction"] and order.customer and _has_paid(order.customer):
        raise ParameterInvalid(
            param,
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            code="promotion_code_customer_not_first_time",
        )
    if restrictions["minimum_amount"]:
        _require_amount(restrictions, order=order, param=param)
    coupon = coupons.read_coupon(promotion_code["promotion"]["coupon"])
    _require_coupon(coupon, order=order, param=param, now=now)
    return coupon


def get_active(discount_id: str) -> Active:
    """This will return a discount with its coupon, which may have been deleted since."""
    discount = store.get("discount", discount_id)
    return Active(discount_id, store.get_private(discount_id)["coupon"], discount["end"])


def record_discount(
    *,
    coupon: Data,
    promotion_code: str | None,
    customer: str | None,
    checkout_session: str | None,
    now: datetime,
    subscription: str | None = None,
    end: int | None = None,
) -> str:
    """This will note that a discount was used and return its id; `coupon` is one as `read_coupon` returns it."""
    discount = discount_objects.new_discount(
        coupon=coupon["id"], promotion_code=promotion_code, customer=customer, now=store.timestamp(now)
    )
    discount |= {"checkout_session": checkout_session, "subscription": subscription, "end": end}
    store.add(discount, private={"coupon": coupon})
    return str(discount["id"])


@transaction.atomic
def note_redemption(coupon_id: str, promotion_code_id: str | None) -> None:
    """This will count one use of a coupon and its code; a coupon that was deleted meanwhile counts nothing."""
    if store.was_deleted("coupon", coupon_id):
        return
    coupon = store.lock("coupon", coupon_id)  # always before its codes
    coupon["times_redeemed"] += 1
    store.save(coupon)
    if promotion_code_id:
        promotion_code = store.lock("promotion_code", promotion_code_id)
        promotion_code["times_redeemed"] += 1
        if promotion_code["max_redemptions"] and promotion_code["times_redeemed"] >= promotion_code["max_redemptions"]:
            promotion_code["active"] = False
        store.save(promotion_code)
    if coupon["max_redemptions"] and coupon["times_redeemed"] >= coupon["max_redemptions"]:
        coupons.end_coupon(coupon)


def _require_coupon(coupon: Data, *, order: Order, param: str, now: datetime) -> None:
    if not coupons.is_valid(coupon, now=now):
        raise ParameterInvalid(param, f"Coupon expired: {coupon['id']}", code="coupon_expired")
    if coupon["currency"] and coupon["currency"] != order.currency:
        raise ParameterInvalid(
            param,
            f"This coupon cannot be redeemed because it is in {coupon['currency']} and the order in {order.currency}.",
        )
    if order.products is not None and coupon["products"] and order.products.isdisjoint(coupon["products"]):
        raise ParameterInvalid(
            param,
            "This coupon cannot be redeemed because it does not apply to anything in this order.",
            code="coupon_applies_to_nothing",
        )


def _require_amount(restrictions: Data, *, order: Order, param: str) -> None:
    if order.due is None:
        raise ParameterInvalid(
            param,
            "This promotion code cannot be redeemed on a subscription update because it uses the `minimum_amount` "
            "restriction and the amount may change.",
        )
    if order.currency != restrictions["minimum_amount_currency"] or order.due < restrictions["minimum_amount"]:
        raise ParameterInvalid(
            param,
            "This promotion code cannot be redeemed because the associated purchase does not meet the minimum amount "
            "requirement.",
            code="promotion_code_amount_insufficient",
        )


def _has_paid(customer: str) -> bool:
    """Say whether a customer has a successful payment or a paid invoice, even one over nothing."""
    return (
        store.rows("charge", customer=customer, status="succeeded").exists()
        or store.rows("invoice", customer=customer, status="paid").exists()
    )
