"""Promotion codes: what a customer types to redeem a coupon, and who may do so, when and for how much.

https://docs.stripe.com/api/promotion_codes/create
"""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import discount as discount_objects
from billing.sandbox.services import events
from billing.sandbox.services.discounts import coupons

Data = dict[str, Any]


@transaction.atomic
def create_promotion_code(params: Data, *, now: datetime) -> Data:
    """This will create a code that customers can type.

    :raises UnexpectedState: while another active code is typed the same, in whatever case, by the same customers.
    :raises ParameterInvalid: when it would outlast its coupon.
    """
    promotion = params.get("promotion") or {}
    if "coupon" not in promotion:
        raise ParameterMissing("promotion[coupon]")
    coupon = store.get("coupon", promotion["coupon"], param="promotion[coupon]", status=400)
    if params.get("customer"):
        store.get("customer", params["customer"], param="customer", status=400)
    _check(params, coupon=coupon, now=now)
    promotion_code = discount_objects.new_promotion_code(
        code=params.get("code"), coupon=coupon["id"], now=store.timestamp(now)
    )
    changes.set_fields(promotion_code, params, ("active", "customer", "expires_at", "max_redemptions"))
    changes.set_metadata(promotion_code, params)
    promotion_code["restrictions"] |= params.get("restrictions") or {}
    _refuse_if_taken(promotion_code)
    ends = promotion_code["expires_at"]
    # By the real clock, whoever may type it: what expires is the code.
    store.add(promotion_code, due_at=store.moment(ends) if ends else None)
    events.emit("promotion_code.created", promotion_code, now=now)
    return promotion_code


@transaction.atomic
def update_promotion_code(promotion_code_id: str, params: Data, *, now: datetime) -> Data:
    """This will switch a code on or off, or change its metadata.

    :raises UnexpectedState: when it is to be active and cannot be redeemed any more.
    """
    before = store.lock("promotion_code", promotion_code_id)
    promotion_code = copy.deepcopy(before)
    changes.set_fields(promotion_code, params, ("active",))
    changes.set_metadata(promotion_code, params)
    if promotion_code["active"] and not before["active"]:
        if is_over(promotion_code, now=now):
            raise UnexpectedState(
                "This promotion code cannot be activated because it, or its coupon, cannot be redeemed any more.",
                param="active",
            )
        _refuse_if_taken(promotion_code)
    return events.update(promotion_code, before=before, event_type="promotion_code.updated", now=now)


@transaction.atomic
def lapse_promotion_code(*, object_id: str, now: datetime) -> None:
    """This will end a code whose time is over."""
    store.save(store.lock("promotion_code", object_id) | {"active": False})
    store.set_due(object_id, None)


def find_by_code(code: str, *, customer: str | None) -> Data:
    """This will return the active promotion code that someone typed: their own, else one that is for everybody.

    :raises ParameterInvalid: in the words of Stripe's page.
    """
    typed = [row.data for row in store.rows("promotion_code", name__iexact=code.strip()) if row.data["active"]]
    for owner in (customer, None):
        for promotion_code in typed:
            if promotion_code["customer"] == owner:
                return copy.deepcopy(promotion_code)
    raise ParameterInvalid("promotion_code", "This code is invalid.", code="promotion_code_invalid")


def is_over(promotion_code: Data, *, now: datetime) -> bool:
    """This will say whether a code can no longer be redeemed, by its own terms or by its coupon's."""
    coupon = store.find_any(promotion_code["promotion"]["coupon"])
    most, ends = promotion_code["max_redemptions"], promotion_code["expires_at"]
    return (
        coupon is None
        or not coupons.is_valid(coupon, now=now)
        or bool(ends and ends <= store.timestamp(now))
        or bool(most and promotion_code["times_redeemed"] >= most)
    )


def _check(params: Data, *, coupon: Data, now: datetime) -> None:
    if not coupons.is_valid(coupon, now=now):
        raise ParameterInvalid("promotion[coupon]", f"Coupon expired: {coupon['id']}", code="coupon_expired")
    ends, most = params.get("expires_at"), params.get("max_redemptions")
    if ends and ends <= store.timestamp(now):
        raise ParameterInvalid("expires_at", "`expires_at` must be in the future.")
    if ends and coupon["redeem_by"] and ends > coupon["redeem_by"]:
        raise ParameterInvalid("expires_at", "`expires_at` cannot be after the coupon's `redeem_by`.")
    if most is not None and most < 1:
        raise ParameterInvalid(
            "max_redemptions", "This value must be greater than or equal to 1.", code="parameter_invalid_integer"
        )
    if most and coupon["max_redemptions"] and most > coupon["max_redemptions"]:
        raise ParameterInvalid(
            "max_redemptions", "`max_redemptions` cannot be greater than the coupon's `max_redemptions`."
        )
    restrictions = params.get("restrictions") or {}
    for one, other in (
        ("minimum_amount", "minimum_amount_currency"),
        ("minimum_amount_currency", "minimum_amount"),
    ):
        if one in restrictions and other not in restrictions:
            raise ParameterMissing(f"restrictions[{other}]")


def _refuse_if_taken(promotion_code: Data) -> None:
    """A code is one customer's or everybody's: nobody may mean two codes by the same word."""
    for row in store.rows("promotion_code", name__iexact=promotion_code["code"], data__active=True):
        owners = {row.data["customer"], promotion_code["customer"]}
        if row.id != promotion_code["id"] and (None in owners or len(owners) == 1):
            raise UnexpectedState(
                f"An active promotion code with `code: {promotion_code['code']}` already exists.", param="code"
            )
